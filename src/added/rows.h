/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "added/registry.h"

/* The rows of the handler files. */

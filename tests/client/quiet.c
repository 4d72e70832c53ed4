/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What the clients of these tests must not print: libvirt's errors, which they report in their own
 * form, and in a build with LeakSanitizer what libvirt.so forgets to free.
 */

#include "quiet.h"

#include <libvirt/virterror.h>
#include <stddef.h>

const char *__lsan_default_suppressions(void);
const char *__lsan_default_options(void);

const char *
__lsan_default_suppressions(void)
{
    return "leak:libvirt.so\nleak:libvirt-qemu.so\n";
}

const char *
__lsan_default_options(void)
{
    return "print_suppressions=0";
}

static void
swallow_error(void *data, virErrorPtr error)
{
}

void
be_quiet(void)
{
    virSetErrorFunc(NULL, swallow_error);
}

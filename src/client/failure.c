/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The last error of each thread.
 *
 * libvirt offers nobody else a way to set its last error, so that we have one of our own beside it,
 * and copy into it what libvirt says: a caller that looks here only sees every error. libvirt's is
 * never changed; it is lost where somebody calls libvirt again before the caller has read it, which
 * is why it is copied at once.
 */

#include "client/failure.h"

#include "client/libvirt-qemu-passthrough.h"

#include <libvirt/virterror.h>

typedef struct Failure {
    int code;            /* virErrorNumber */
    int domain;          /* virErrorDomain */
    char *error_class;   /* NULL: no QMP error */
    char *message;
} Failure;

static void
free_failure(void *data)
{
    Failure *failure = data;

    g_free(failure->error_class);
    g_free(failure->message);
    g_free(failure);
}

static GPrivate last = G_PRIVATE_INIT(free_failure);

/* Takes the texts over. */
static int
set_failure(int code, int domain, char *error_class, char *message)
{
    Failure *failure = g_new(Failure, 1);

    *failure = (Failure){ code, domain, error_class, message };
    g_private_replace(&last, failure);
    return -1;
}

int
vp_client_fail_libvirt(void)
{
    virErrorPtr error = virGetLastError();

    if (!error)
        return vp_client_fail(VIR_ERR_INTERNAL_ERROR, "libvirt failed without an error");
    return set_failure(error->code, error->domain, NULL, g_strdup(error->message));
}

int
vp_client_fail_qmp(const char *error_class, const char *text)
{
    bool unknown = g_strcmp0(error_class, "CommandNotFound") == 0;

    return set_failure(unknown ? VIR_ERR_NO_SUPPORT : VIR_ERR_OPERATION_FAILED, VIR_FROM_QEMU,
                       g_strdup(error_class ?: "GenericError"),
                       g_strdup(text ?: "the error that was answered has no text"));
}

int
vp_client_fail(int code, const char *format, ...)
{
    char *message = NULL;
    va_list args;

    va_start(args, format);
    message = g_strdup_vprintf(format, args);
    va_end(args);
    return set_failure(code, VIR_FROM_NONE, NULL, message);
}

bool
vp_client_begin(unsigned int flags, unsigned int known)
{
    virtpassResetLastError();
    if (!(flags & ~known))
        return true;
    vp_client_fail(VIR_ERR_INVALID_ARG, "invalid argument: unsupported flags (0x%x)",
                   flags & ~known);
    return false;
}

int
virtpassGetLastErrorCode(void)
{
    const Failure *failure = g_private_get(&last);

    return failure ? failure->code : VIR_ERR_OK;
}

int
virtpassGetLastErrorDomain(void)
{
    const Failure *failure = g_private_get(&last);

    return failure ? failure->domain : VIR_FROM_NONE;
}

const char *
virtpassGetLastErrorClass(void)
{
    const Failure *failure = g_private_get(&last);

    return failure ? failure->error_class : NULL;
}

const char *
virtpassGetLastErrorMessage(void)
{
    const Failure *failure = g_private_get(&last);

    return failure ? failure->message : NULL;
}

void
virtpassResetLastError(void)
{
    g_private_replace(&last, NULL);
}

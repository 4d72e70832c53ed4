/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The queue of a listening unix socket, as the kernel's socket monitoring tells it (sock_diag(7)).
 *
 * A socket in the file system has two inodes: the file's, by which we know it, and that of the
 * socket itself. So all listening sockets of the network namespace are asked for, and the one is
 * taken that is bound to our file. Its device need not be the one that stat() shows (btrfs), and
 * then the path that it was bound by has to be the same. That is one walk through the kernel's
 * table, which does not wait for anybody.
 */

#include "base/backlog.h"

#include "base/error.h"
#include "base/fd.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>

/* How the kernel writes a device number where it shows one raw. */
#define KERNEL_DEV(dev) ((guint32)major(dev) << 20 | minor(dev))

typedef struct Search {
    const struct stat *file;
    const char *path;
    guint32 own;       /* inode of our own connection */
    bool found;
    guint others;
    guint32 ino;
} Search;

static bool
ask(int fd, GError **error)
{
    struct {
        struct nlmsghdr header;
        struct unix_diag_req body;
    } request = {
        .header = { .nlmsg_len = sizeof(request), .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                    .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
        .body = { .sdiag_family = AF_UNIX, .udiag_states = 1u << TCP_LISTEN,
                  .udiag_show = UDIAG_SHOW_VFS | UDIAG_SHOW_NAME | UDIAG_SHOW_ICONS },
    };

    if (TEMP_FAILURE_RETRY(send(fd, &request, sizeof(request), 0)) == sizeof(request))
        return true;
    vp_error_set_errno(error, errno, "cannot ask the kernel about sockets");
    return false;
}

static void
count(Search *search, const guint32 *waiting, gsize n)
{
    search->found = true;
    for (gsize i = 0; i < n; i++) {
        if (waiting[i] == search->own)
            continue;
        search->others++;
        if (waiting[i])
            search->ino = waiting[i];
    }
}

static bool
is_bound_to(const Search *search, const struct rtattr *vfs, const struct rtattr *name)
{
    const struct unix_diag_vfs *file = vfs ? RTA_DATA(vfs) : NULL;
    gsize length = strlen(search->path);

    if (!file || file->udiag_vfs_ino != (guint32)search->file->st_ino)
        return false;
    if (file->udiag_vfs_dev == KERNEL_DEV(search->file->st_dev))
        return true;
    return name && RTA_PAYLOAD(name) >= length &&
           memcmp(RTA_DATA(name), search->path, length) == 0;
}

/* One listening socket. */
static void
look(Search *search, const struct nlmsghdr *message)
{
    const struct rtattr *attributes[UNIX_DIAG_ICONS + 1] = { NULL };
    const struct unix_diag_msg *body = NLMSG_DATA(message);
    const struct rtattr *attribute = (const struct rtattr *)(body + 1);
    guint left = message->nlmsg_len - NLMSG_LENGTH(sizeof(*body));

    for (; RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left)) {
        if (attribute->rta_type <= UNIX_DIAG_ICONS)
            attributes[attribute->rta_type] = attribute;
    }
    if (!is_bound_to(search, attributes[UNIX_DIAG_VFS], attributes[UNIX_DIAG_NAME]))
        return;
    attribute = attributes[UNIX_DIAG_ICONS];
    count(search, attribute ? RTA_DATA(attribute) : NULL,
          attribute ? RTA_PAYLOAD(attribute) / sizeof(guint32) : 0);
}

/* 1: more is to come, 0: that was all, -1: errno. */
static int
read_some(int fd, Search *search)
{
    union {
        struct nlmsghdr header;
        char bytes[32768];
    } answer;
    gssize n = TEMP_FAILURE_RETRY(recv(fd, &answer, sizeof(answer), MSG_DONTWAIT));
    guint left = MAX(n, 0);

    if (n < 0)
        return -1;
    for (const struct nlmsghdr *message = &answer.header; NLMSG_OK(message, left);
         message = NLMSG_NEXT(message, left)) {
        if (message->nlmsg_type == NLMSG_DONE)
            return 0;
        if (message->nlmsg_type == NLMSG_ERROR) {
            errno = -((const struct nlmsgerr *)NLMSG_DATA(message))->error;
            return -1;
        }
        if (message->nlmsg_len >= NLMSG_LENGTH(sizeof(struct unix_diag_msg)))
            look(search, message);
    }
    return 1;
}

bool
vp_backlog_others(const struct stat *file, const char *path, int own, guint *ret_others,
                  guint32 *ret_ino, GError **error)
{
    vp_autofd int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    Search search = { .file = file, .path = path };
    struct stat status = { 0 };
    int more = 1;

    if (fd < 0 || fstat(own, &status) < 0) {
        vp_error_set_errno(error, errno, "cannot ask the kernel about sockets");
        return false;
    }
    search.own = status.st_ino;
    if (!ask(fd, error))
        return false;
    while (more > 0)
        more = read_some(fd, &search);
    if (more < 0) {
        vp_error_set_errno(error, errno, "the kernel does not tell about sockets");
        return false;
    }
    if (!search.found)
        return vp_refuse(error, VP_ERROR_CLOSED, "nobody listens at '%s' any more", path);
    *ret_others = search.others;
    *ret_ino = search.ino;
    return true;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The places that connections take, by user.
 *
 * A connection costs us two descriptors and libvirtd a client, whatever it is used for: libvirt's
 * protocol, or the QMP socket of any domain, for whose clients libvirtd is asked. So that no user
 * keeps others out, each may have a part of the places only, and all of them together leave
 * some for root. A user is a user id, or the name in a certificate; root and our own user are not
 * counted, for they could end us anyway.
 *
 * Before it has opened its connection a client is anonymous, as at libvirtd: of those there may be
 * few. A client that means it is through in milliseconds, so when one more wants to come, the
 * oldest that has had its time (GRACE_MS) goes. Until one has, nobody is accepted at the unix
 * sockets: many honest clients that come at the same time are served one after the other, and none
 * is turned away. That alone would let a silent user keep the door shut by filling the kernel's
 * queue too. So a user of whom as many as there may be had to go has no more grace for a while: its
 * connections go as fast as they come, and whoever stands behind them is reached at once.
 *
 * The time that libvirtd takes is not the client's: polkit may be asking a person for a password.
 * It gets more of it (WAITING_MS), which is measured from the beginning, so that nothing that a
 * client sends makes it any younger. Who came through TLS is not anonymous, for its certificate was
 * looked at (rpc/tls_door.c has the places before that), but has to open its connection as well.
 */

#include "qemu_passthrough/places.h"

#include "base/limits.h"

#include <sys/socket.h>
#include <unistd.h>

/* How long an anonymous client is left alone when others wait for its place: two round trips to a
 * libvirtd that is busy, */
#define GRACE_MS 1000

/* and while libvirtd has its call: it may be starting, or ask a person. */
#define WAITING_MS 10000

/* A connection that is not opened in this time ends, whether anybody waits or not. */
#define PATIENCE_MS 30000

/* For so long after the last of its silent connections a user has no grace. */
#define SILENCE_MS 10000

/* Between two looks at who is anonymous: when somebody waits, and when not. */
#define LOOK_MS 50
#define GLANCE_MS 1000

/* Between two lines of the log about the same user. */
#define LOG_MS 60000

typedef struct VpPlaceUser {
    char *name;          /* "user 1000", "the certificate of 'CN=x'" */
    guint n;             /* places */
    guint silent;        /* of its anonymous connections, ended within SILENCE_MS of each other */
    gint64 silent_at;    /* monotonic time of the last of them */
    gint64 logged_at;    /* 0: never */
} VpPlaceUser;

struct VpPlaces {
    VpLoop *loop;
    const VpConfig *config;
    const VpPlacesOps *ops;
    gpointer data;
    GHashTable *users;   /* name -> VpPlaceUser, owned */
    guint n;             /* places of all users */
    GQueue young;        /* VpPlace whose connection is not open; the oldest first */
    guint n_anonymous;   /* of these, those of unix sockets */
    bool refused;        /* vp_places_may_come() said no */
    GSource *timer;      /* NULL while all are open */
};

struct VpPlace {
    VpPlaces *places;
    VpPlaceUser *user;   /* NULL: one that is not counted */
    gpointer owner;
    GList link;          /* in places->young while it is `young`; its data is this */
    bool young;
    bool anonymous;
    bool waiting;        /* for libvirtd */
    gint64 since;        /* monotonic time */
};

/* --- users ---------------------------------------------------------------- */

static void
user_free(gpointer data)
{
    VpPlaceUser *user = data;

    g_free(user->name);
    g_free(user);
}

static bool
is_within(gint64 time, guint ms)
{
    return time > 0 && g_get_monotonic_time() - time < ms * (gint64)1000;
}

static gboolean
is_forgotten(gpointer key G_GNUC_UNUSED, gpointer value, gpointer data G_GNUC_UNUSED)
{
    const VpPlaceUser *user = value;

    return user->n == 0 && !is_within(user->silent_at, SILENCE_MS) &&
           !is_within(user->logged_at, LOG_MS);
}

/* Takes over @name. */
static VpPlaceUser *
find_user(VpPlaces *places, char *name)
{
    g_autofree char *owned = name;
    VpPlaceUser *user = g_hash_table_lookup(places->users, name);

    if (user)
        return user;
    g_hash_table_foreach_remove(places->users, is_forgotten, NULL);
    user = g_new0(VpPlaceUser, 1);
    user->name = g_steal_pointer(&owned);
    g_hash_table_insert(places->users, user->name, user);
    return user;
}

static bool
may_log(VpPlaceUser *user)
{
    if (is_within(user->logged_at, LOG_MS))
        return false;
    user->logged_at = g_get_monotonic_time();
    return true;
}

static bool
has_no_grace(const VpPlaces *places, const VpPlaceUser *user)
{
    return user->silent >= places->config->max_anonymous_clients &&
           is_within(user->silent_at, SILENCE_MS);
}

/* --- those that are not open ---------------------------------------------- */

static gboolean on_timer(gpointer data);

static void
set_timer(VpPlaces *places)
{
    vp_loop_cancel(&places->timer);
    if (!g_queue_is_empty(&places->young))
        places->timer = vp_loop_timer(places->loop, places->refused ? LOOK_MS : GLANCE_MS,
                                      on_timer, places);
}

static void
grow_up(VpPlace *place)
{
    VpPlaces *places = place->places;

    if (!place->young)
        return;
    place->young = false;
    g_queue_unlink(&places->young, &place->link);
    places->n_anonymous -= place->anonymous;
    if (g_queue_is_empty(&places->young))
        vp_loop_cancel(&places->timer);
}

static void
drop_silent(VpPlace *place, const char *reason)
{
    VpPlaceUser *user = place->user;

    if (!is_within(user->silent_at, SILENCE_MS))
        user->silent = 0;
    user->silent++;
    user->silent_at = g_get_monotonic_time();
    if (may_log(user))
        vp_log_warning("%s has connected without opening a connection to libvirtd, and is dropped: "
                       "%s", user->name, reason);
    place->places->ops->drop(place->owner, reason, place->places->data);
}

static bool
has_had_its_time(const VpPlace *place)
{
    return has_no_grace(place->places, place->user) ||
           !is_within(place->since, place->waiting ? WAITING_MS : GRACE_MS);
}

/* NULL: all that are there still have time. */
static VpPlace *
find_tardy(const VpPlaces *places)
{
    for (const GList *l = places->young.head; l; l = l->next) {
        VpPlace *place = l->data;

        if (place->anonymous && place->owner && has_had_its_time(place))
            return place;
    }
    return NULL;
}

/* The next one whose patience has ended. */
static VpPlace *
find_expired(const VpPlaces *places)
{
    for (const GList *l = places->young.head; l; l = l->next) {
        VpPlace *place = l->data;

        if (is_within(place->since, PATIENCE_MS))
            return NULL;
        if (!place->waiting && place->owner)
            return place;
    }
    return NULL;
}

static bool
has_room(const VpPlaces *places)
{
    return places->n_anonymous < places->config->max_anonymous_clients || find_tardy(places);
}

static void
tell_room(VpPlaces *places)
{
    if (!places->refused || !has_room(places))
        return;
    places->refused = false;
    places->ops->room(places->data);
}

static gboolean
on_timer(gpointer data)
{
    VpPlaces *places = data;
    VpPlace *expired = NULL;

    while ((expired = find_expired(places)))
        drop_silent(expired, "it has had half a minute for that");
    tell_room(places);
    set_timer(places);
    return G_SOURCE_REMOVE;
}

bool
vp_places_may_come(VpPlaces *places)
{
    VpPlace *tardy = NULL;

    if (places->n_anonymous < places->config->max_anonymous_clients)
        return true;
    tardy = find_tardy(places);
    if (tardy) {
        drop_silent(tardy, "others wait for its place");
        return true;
    }
    places->refused = true;
    set_timer(places);
    return false;
}

/* --- places --------------------------------------------------------------- */

/* NULL: a user that is not counted. */
static char *
name_user(int fd, const char *tls_name)
{
    struct ucred peer = { .uid = (uid_t)-1 };
    socklen_t size = sizeof(peer);
    g_autofree char *name = tls_name ? g_strescape(tls_name, NULL) : NULL;

    if (name)
        return g_strdup_printf("the certificate of '%s'", name);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
        (peer.uid == 0 || peer.uid == geteuid()))
        return NULL;
    return g_strdup_printf("user %u", (unsigned)peer.uid);
}

/* Of all places those that are for root. */
static guint
reserved(const VpConfig *config)
{
    return MIN(config->max_clients / VP_CLIENTS_SHARES, VP_CLIENTS_RESERVED);
}

static bool
may_have_one_more(const VpPlaces *places, VpPlaceUser *user)
{
    const VpConfig *config = places->config;

    if (user->n >= config->max_clients_per_user) {
        if (may_log(user))
            vp_log_warning("%s has %u connections, as many as max_clients_per_user allows: further "
                           "ones are refused", user->name, user->n);
        return false;
    }
    if (places->n >= config->max_clients - reserved(config)) {
        if (may_log(user))
            vp_log_warning("%s is refused: of max_clients the last %u are for root", user->name,
                           reserved(config));
        return false;
    }
    return true;
}

/* Takes over @name. */
static VpPlace *
take(VpPlaces *places, char *name)
{
    VpPlaceUser *user = name ? find_user(places, name) : NULL;
    VpPlace *place = NULL;

    if (user && !may_have_one_more(places, user))
        return NULL;
    place = g_new0(VpPlace, 1);
    place->places = places;
    place->user = user;
    place->link.data = place;
    if (user) {
        user->n++;
        places->n++;
    }
    return place;
}

VpPlace *
vp_places_take_qmp(VpPlaces *places, int fd)
{
    return take(places, name_user(fd, NULL));
}

VpPlace *
vp_places_take(VpPlaces *places, int fd, const char *tls_name)
{
    VpPlace *place = take(places, name_user(fd, tls_name));

    if (!place || !place->user)
        return place;
    place->young = true;
    place->anonymous = !tls_name;
    place->since = g_get_monotonic_time();
    places->n_anonymous += place->anonymous;
    g_queue_push_tail_link(&places->young, &place->link);
    if (!places->timer)
        set_timer(places);
    return place;
}

void
vp_place_set_owner(VpPlace *place, gpointer owner)
{
    place->owner = owner;
}

void
vp_place_free(VpPlace *place)
{
    if (!place)
        return;
    grow_up(place);
    if (place->user) {
        place->user->n--;
        place->places->n--;
        tell_room(place->places);
    }
    g_free(place);
}

void
vp_place_set_waiting(VpPlace *place, bool waiting)
{
    if (place)
        place->waiting = waiting;
}

void
vp_place_opened(VpPlace *place)
{
    if (!place || !place->young)
        return;
    grow_up(place);
    tell_room(place->places);
}

/* --- all of them ---------------------------------------------------------- */

VpPlaces *
vp_places_new(VpLoop *loop, const VpConfig *config, const VpPlacesOps *ops, gpointer data)
{
    VpPlaces *places = g_new0(VpPlaces, 1);

    places->loop = loop;
    places->config = config;
    places->ops = ops;
    places->data = data;
    places->users = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, user_free);
    g_queue_init(&places->young);
    return places;
}

void
vp_places_free(VpPlaces *places)
{
    if (!places)
        return;
    g_assert(places->n == 0 && g_queue_is_empty(&places->young));
    vp_loop_cancel(&places->timer);
    g_hash_table_unref(places->users);
    g_free(places);
}

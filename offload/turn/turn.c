/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libinlay-turn: the tables, the object, the interfaces, the kernel's news and the events together.
 * See inlay_turn.h.
 */
#include "inlay_turn.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "claim.h"
#include "forwarding.h"
#include "inlay_atomic.h"
#include "links.h"
#include "monitor.h"
#include "rings.h"
#include "sockets.h"

#define DEFAULT_PORT	    3478
#define DEFAULT_FLOWS	    16384
#define DEFAULT_ALLOCATIONS 8192
#define MAX_ENTRIES	    (1U << 22)
#define PERMISSIONS_A_FLOW  4
#define HEARTBEAT	    (250 * INLAY_MS)
#define ASK_EVERY	    (1 * INLAY_S)
#define SUM_SHARE	    20 /* of the time, at most one part goes to sums */
#define SUM_CHEAP	    (1 * INLAY_MS)
#define SYNC_EVERY	    (50 * INLAY_MS) /* while interfaces keep changing */

struct inlay_turn {
	struct inlay_turn_maps maps;
	struct inlay_turn_tables *tables;
	struct inlay_turn_links links;
	struct inlay_turn_monitor monitor;
	struct inlay_turn_rings rings;
	struct inlay_turn_sockets sockets;
	struct inlay_turn_forwarding forwarding;
	int claim, epoll, timer;
	__be16 ports[INLAY_TURN_PORTS];
	__u32 n_ports;
	bool links_changed;
	inlay_ns synced, asked; /* when it was done last */
	struct inlay_turn_totals totals;
	inlay_ns totals_until; /* so long they are not summed again */
};

static inlay_ns read_clock(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (inlay_ns)ts.tv_sec * INLAY_S + (inlay_ns)ts.tv_nsec;
}

static inlay_ns clock_now(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

/* --- Opening -------------------------------------------------------------------------------- */

static int take_ports(struct inlay_turn *turn, const struct inlay_turn_config *config,
		      const struct inlay_turn_error *error)
{
	if (!config->ports) {
		turn->ports[0] = htons(DEFAULT_PORT);
		turn->n_ports = 1;
		return 0;
	}
	if (!config->n_ports || config->n_ports > INLAY_TURN_PORTS) {
		inlay_turn_say(error, "from 1 to %d listening ports can be watched",
			       INLAY_TURN_PORTS);
		return -EINVAL;
	}
	for (size_t i = 0; i < config->n_ports; i++)
		turn->ports[i] = htons(config->ports[i]);
	turn->n_ports = (__u32)config->n_ports;
	return 0;
}

static int open_tables(struct inlay_turn *turn, const struct inlay_turn_config *config,
		       const struct inlay_turn_error *error)
{
	struct inlay_turn_tables_config tables = {.denied = config->denied,
						  .n_denied = config->n_denied,
						  .max_permissions =
							  turn->maps.n_flows * PERMISSIONS_A_FLOW};
	int err;

	if (getrandom(&tables.key, sizeof(tables.key), 0) != sizeof(tables.key))
		return -EIO;
	inlay_turn_maps_backend(&turn->maps, &tables.backend);
	err = inlay_turn_tables_new(&tables, &turn->tables);
	if (err == -EINVAL)
		inlay_turn_say(error, "a denied range is neither IPv4 nor IPv6, or its prefix is "
				      "longer than an address");
	return err;
}

static int watch_fd(struct inlay_turn *turn, int fd)
{
	struct epoll_event event = {.events = EPOLLIN};

	if (fd < 0)
		return 0;
	return epoll_ctl(turn->epoll, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

static int open_fds(struct inlay_turn *turn)
{
	int news[2], err;

	turn->epoll = epoll_create1(EPOLL_CLOEXEC);
	turn->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (turn->epoll < 0 || turn->timer < 0)
		return -errno;
	inlay_turn_monitor_fds(&turn->monitor, news);
	err = watch_fd(turn, turn->timer);
	for (int i = 0; i < 2 && !err; i++)
		err = watch_fd(turn, news[i]);
	for (int i = 0; i < 2 && !err; i++)
		err = watch_fd(turn, inlay_turn_rings_fd(&turn->rings, (enum inlay_turn_ring)i));
	return err;
}

/* From when on, to when: a descriptor that is readable at once, for the first turn. */
static void set_timer(struct inlay_turn *turn, inlay_ns at)
{
	struct itimerspec when = {
		.it_value = {.tv_sec = (time_t)(at / INLAY_S), .tv_nsec = (long)(at % INLAY_S)}};

	if (!at)
		when.it_value.tv_nsec = 1;
	(void)timerfd_settime(turn->timer, TFD_TIMER_ABSTIME, &when, NULL);
}

static int open_links(struct inlay_turn *turn, const struct inlay_turn_config *config,
		      const struct inlay_turn_error *error)
{
	int err = inlay_turn_links_init(&turn->links, &turn->maps, config);

	if (!turn->forwarding.works[0])
		turn->links.hindrance = "the kernel tells no ways: net.ipv4.conf.lo.forwarding "
					"could not be set to 1 (is /proc/sys writable?)";
	if (!err)
		err = inlay_turn_links_sync(&turn->links);
	if (err) {
		inlay_turn_say(error, "the interfaces cannot be read: %s", strerror(-err));
		return err;
	}
	return inlay_turn_links_check(&turn->links, error);
}

static int open_all(struct inlay_turn *turn, const struct inlay_turn_config *config,
		    const struct inlay_turn_error *error)
{
	__u32 flows = config->max_flows ? config->max_flows : DEFAULT_FLOWS;
	__u32 allocations = config->max_allocations ? config->max_allocations : DEFAULT_ALLOCATIONS;
	const char *object = config->object ? config->object : INLAY_TURN_OBJECT;
	int err;

	if (flows > MAX_ENTRIES || allocations > MAX_ENTRIES) {
		inlay_turn_say(error, "more than %u channels or allocations", MAX_ENTRIES);
		return -EINVAL;
	}
	err = take_ports(turn, config, error);
	if (!err)
		err = inlay_turn_maps_init(&turn->maps, object, flows, allocations, error);
	if (err)
		return err;
	*turn->maps.control = (struct inlay_turn_control){.version = INLAY_TURN_ABI_VERSION,
							  .mode = config->mode};
	err = open_tables(turn, config, error);
	if (err)
		return err;
	/* Told before it is looked at: no change falls between. */
	err = inlay_turn_monitor_init(&turn->monitor);
	if (!err)
		err = inlay_turn_rings_init(&turn->rings, &turn->maps);
	if (!err)
		err = open_fds(turn);
	if (!err)
		err = inlay_turn_claim(&turn->claim, error);
	if (err)
		return err;
	inlay_turn_forwarding_init(&turn->forwarding);
	return open_links(turn, config, error);
}

int inlay_turn_open(const struct inlay_turn_config *config, struct inlay_turn **ret_turn,
		    char *error, size_t error_room)
{
	struct inlay_turn_error say = {error, error_room};
	struct inlay_turn *turn = calloc(1, sizeof(*turn));
	libbpf_print_fn_t printer = inlay_turn_hush();
	int err = -ENOMEM;

	if (error_room)
		error[0] = 0;
	if (turn) {
		turn->claim = -1;
		turn->epoll = -1;
		turn->timer = -1;
		err = open_all(turn, config, &say);
	}
	libbpf_set_print(printer);
	if (err) {
		if (error_room && !error[0])
			inlay_turn_say(&say, "%s", strerror(-err));
		inlay_turn_close(turn);
		return err;
	}
	set_timer(turn, 0);
	*ret_turn = turn;
	return 0;
}

void inlay_turn_close(struct inlay_turn *turn)
{
	if (!turn)
		return;
	if (turn->maps.control)
		inlay_store_u32(&turn->maps.control->mode, INLAY_TURN_OFF);
	inlay_turn_links_fini(&turn->links);
	inlay_turn_forwarding_fini(&turn->forwarding);
	inlay_turn_sockets_fini(&turn->sockets);
	inlay_turn_rings_fini(&turn->rings);
	inlay_turn_monitor_fini(&turn->monitor);
	inlay_turn_tables_free(turn->tables);
	inlay_turn_maps_fini(&turn->maps);
	if (turn->claim >= 0)
		close(turn->claim);
	if (turn->epoll >= 0)
		close(turn->epoll);
	if (turn->timer >= 0)
		close(turn->timer);
	free(turn);
}

/* --- Turning -------------------------------------------------------------------------------- */

int inlay_turn_fd(const struct inlay_turn *turn)
{
	return turn->epoll;
}

static void follow_links(struct inlay_turn *turn, const struct inlay_turn_news *news, inlay_ns now)
{
	turn->links_changed |= news->links;
	if (turn->links_changed && now >= turn->synced + SYNC_EVERY) {
		turn->links_changed = inlay_turn_links_sync(&turn->links) != 0;
		turn->synced = now;
		turn->asked = now;
	} else if (now >= turn->asked + ASK_EVERY) {
		inlay_turn_links_ask(&turn->links);
		turn->asked = now;
	}
	/* After the new flags stand, which may be later than the news: what a program looks up from
	 * now on is right. */
	if (news->hops || turn->links.changed)
		inlay_store_u32(&turn->maps.control->hop_generation,
				turn->maps.control->hop_generation + 1);
	turn->links.changed = false;
}

/* After it stood still for longer than its word, the word is not given again before everything that
 * the server has said meanwhile was heard. */
static void say_alive(struct inlay_turn *turn, inlay_ns now, bool behind)
{
	struct inlay_turn_control *control = turn->maps.control;

	if (behind && control->alive_until <= now)
		return;
	inlay_store_u64(&control->alive_until, now + INLAY_TURN_ALIVE);
}

inlay_ns inlay_turn_turn(struct inlay_turn *turn, inlay_ns now)
{
	const struct inlay_turn_listener *listener = &turn->rings.listener;
	struct inlay_turn_news news;
	inlay_ns next, expires;
	bool more, behind;

	expires = inlay_turn_tables_turn(turn->tables, now);
	more = inlay_turn_rings_read(&turn->rings, &behind);
	inlay_turn_monitor_read(&turn->monitor, listener->gone, listener->user, &news);
	if (news.lost && listener->lost)
		listener->lost(listener->user, INLAY_TURN_RESPONSES, news.lost);
	follow_links(turn, &news, now);
	say_alive(turn, now, behind || news.more);

	next = now + HEARTBEAT;
	next = expires < next ? expires : next;
	if (turn->links_changed && turn->synced + SYNC_EVERY < next)
		next = turn->synced + SYNC_EVERY;
	if (more || news.more)
		next = now;
	set_timer(turn, next);
	return next;
}

void inlay_turn_set_mode(struct inlay_turn *turn, enum inlay_turn_mode mode)
{
	inlay_store_u32(&turn->maps.control->mode, mode);
	inlay_turn_links_turn_off(&turn->links, mode == INLAY_TURN_OFF);
}

int inlay_turn_listen(struct inlay_turn *turn, const struct inlay_turn_listener *listener)
{
	struct inlay_turn_control *control = turn->maps.control;
	int err = turn->monitor.sockets_err;

	if (!err && !turn->sockets.sock)
		err = inlay_turn_sockets_init(&turn->sockets);
	if (err)
		return err;
	inlay_turn_rings_listen(&turn->rings, listener);
	memcpy(control->ports, turn->ports, sizeof(control->ports));
	inlay_store_u32(&control->n_ports, turn->n_ports);
	return 0;
}

bool inlay_turn_has_socket(struct inlay_turn *turn, __u64 cookie, const struct inlay_addr *local,
			   const struct inlay_addr *remote)
{
	return inlay_turn_sockets_have(&turn->sockets, cookie, local, remote, clock_now());
}

/* --- What may go fast ----------------------------------------------------------------------- */

int inlay_turn_allocation_add(struct inlay_turn *turn,
			      const struct inlay_turn_allocation_params *params,
			      struct inlay_turn_id *ret_id)
{
	return inlay_turn_tables_add(turn->tables, params, clock_now(), ret_id);
}

int inlay_turn_allocation_refresh(struct inlay_turn *turn, struct inlay_turn_id id, inlay_ns until)
{
	return inlay_turn_tables_refresh(turn->tables, id, until, clock_now());
}

int inlay_turn_allocation_remove(struct inlay_turn *turn, struct inlay_turn_id id)
{
	return inlay_turn_tables_remove(turn->tables, id, clock_now());
}

int inlay_turn_permission_set(struct inlay_turn *turn, struct inlay_turn_id id,
			      const struct inlay_addr *peer, inlay_ns until)
{
	return inlay_turn_tables_permit(turn->tables, id, peer, until, clock_now());
}

int inlay_turn_permission_remove(struct inlay_turn *turn, struct inlay_turn_id id,
				 const struct inlay_addr *peer)
{
	return inlay_turn_tables_forbid(turn->tables, id, peer);
}

int inlay_turn_channel_set(struct inlay_turn *turn, struct inlay_turn_id id, __u16 number,
			   const struct inlay_addr *peer, inlay_ns until)
{
	return inlay_turn_tables_bind(turn->tables, id, number, peer, until, clock_now());
}

int inlay_turn_channel_remove(struct inlay_turn *turn, struct inlay_turn_id id, __u16 number)
{
	return inlay_turn_tables_unbind(turn->tables, id, number, clock_now());
}

int inlay_turn_watch_add(struct inlay_turn *turn, const struct inlay_turn_candidate *candidate,
			 struct inlay_turn_ref *ret_ref)
{
	return inlay_turn_tables_watch(turn->tables, candidate, clock_now(), ret_ref);
}

int inlay_turn_watch_remove(struct inlay_turn *turn, struct inlay_turn_ref ref)
{
	return inlay_turn_tables_unwatch(turn->tables, ref, clock_now());
}

/* --- What went fast ------------------------------------------------------------------------- */

void inlay_turn_channels(const struct inlay_turn *turn,
			 void (*each)(void *user, const struct inlay_turn_channel_info *info),
			 void *user)
{
	inlay_turn_tables_each(turn->tables, each, user);
}

int inlay_turn_channel_read(const struct inlay_turn *turn, struct inlay_turn_id id, __u16 number,
			    struct inlay_turn_channel_info *ret_info)
{
	return inlay_turn_tables_read(turn->tables, id, number, ret_info);
}

/* Every flow is asked, and whoever may read the metrics can ask again and again: packets' events
 * and the word that we are alive come first. */
void inlay_turn_totals(struct inlay_turn *turn, struct inlay_turn_totals *ret_totals)
{
	inlay_ns began, took;

	if (clock_now() >= turn->totals_until) {
		began = read_clock(CLOCK_THREAD_CPUTIME_ID);
		inlay_turn_tables_totals(turn->tables, &turn->totals);
		took = read_clock(CLOCK_THREAD_CPUTIME_ID) - began;
		turn->totals_until = took < SUM_CHEAP ? 0 : clock_now() + SUM_SHARE * took;
	}
	*ret_totals = turn->totals;
}

void inlay_turn_reasons(const struct inlay_turn *turn, struct inlay_reason_counters *ret_counters)
{
	struct inlay_turn_tables_counts counts;

	inlay_turn_maps_reasons(&turn->maps, ret_counters);
	inlay_turn_tables_counts(turn->tables, &counts);
	ret_counters->count[INLAY_REASON_TURN_FULL] += counts.full;
	ret_counters->count[INLAY_REASON_TURN_DENIED] += counts.denied;
}

void inlay_turn_links(const struct inlay_turn *turn,
		      void (*each)(void *user, const struct inlay_turn_link_info *info), void *user)
{
	inlay_turn_links_each(&turn->links, each, user);
}

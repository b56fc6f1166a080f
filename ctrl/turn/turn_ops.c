/* SPDX-License-Identifier: BSD-2-Clause */
/* The learner and the library, each as the other wants it. */
#include "turn_daemon_impl.h"

static int allocation_add(void *user, const struct inlay_turn_allocation_params *params,
			  struct inlay_turn_id *ret_id)
{
	struct inlay_turn_daemon *d = user;

	return inlay_turn_allocation_add(d->turn, params, ret_id);
}

static int allocation_refresh(void *user, struct inlay_turn_id id, inlay_ns until)
{
	struct inlay_turn_daemon *d = user;

	return inlay_turn_allocation_refresh(d->turn, id, until);
}

static int allocation_remove(void *user, struct inlay_turn_id id)
{
	struct inlay_turn_daemon *d = user;

	return inlay_turn_allocation_remove(d->turn, id);
}

static int permission_set(void *user, struct inlay_turn_id id, const struct inlay_addr *peer,
			  inlay_ns until)
{
	struct inlay_turn_daemon *d = user;

	return inlay_turn_permission_set(d->turn, id, peer, until);
}

static int permission_remove(void *user, struct inlay_turn_id id, const struct inlay_addr *peer)
{
	struct inlay_turn_daemon *d = user;

	return inlay_turn_permission_remove(d->turn, id, peer);
}

static int channel_set(void *user, struct inlay_turn_id id, __u16 number,
		       const struct inlay_addr *peer, inlay_ns until)
{
	struct inlay_turn_daemon *d = user;

	return inlay_turn_channel_set(d->turn, id, number, peer, until);
}

static int channel_remove(void *user, struct inlay_turn_id id, __u16 number)
{
	struct inlay_turn_daemon *d = user;

	return inlay_turn_channel_remove(d->turn, id, number);
}

static int watch_add(void *user, const struct inlay_turn_candidate *candidate,
		     struct inlay_turn_ref *ret_ref)
{
	struct inlay_turn_daemon *d = user;

	return inlay_turn_watch_add(d->turn, candidate, ret_ref);
}

static int watch_remove(void *user, struct inlay_turn_ref ref)
{
	struct inlay_turn_daemon *d = user;

	return inlay_turn_watch_remove(d->turn, ref);
}

static bool is_here(void *user, __u64 cookie, const struct inlay_addr *local,
		    const struct inlay_addr *remote)
{
	struct inlay_turn_daemon *d = user;

	return inlay_turn_has_socket(d->turn, cookie, local, remote);
}

const struct inlay_turn_learner_ops inlay_turn_daemon_ops = {
	.allocation_add = allocation_add,
	.allocation_refresh = allocation_refresh,
	.allocation_remove = allocation_remove,
	.permission_set = permission_set,
	.permission_remove = permission_remove,
	.channel_set = channel_set,
	.channel_remove = channel_remove,
	.watch_add = watch_add,
	.watch_remove = watch_remove,
	.is_here = is_here,
};

static void event(void *user, const struct inlay_turn_event *event, size_t len,
		  enum inlay_turn_ring ring)
{
	struct inlay_turn_daemon *d = user;

	inlay_turn_learner_event(d->learner, event, len, ring, inlay_loop_now());
}

static void lost(void *user, enum inlay_turn_ring ring, __u64 n)
{
	struct inlay_turn_daemon *d = user;

	inlay_turn_learner_lost(d->learner, ring, n, inlay_loop_now());
}

static void gone(void *user, __u64 cookie)
{
	struct inlay_turn_daemon *d = user;

	inlay_turn_learner_gone(d->learner, cookie, inlay_loop_now());
}

const struct inlay_turn_listener inlay_turn_daemon_listener = {
	.event = event,
	.lost = lost,
	.gone = gone,
};

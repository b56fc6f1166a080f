/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The data thread's way down: from the ring through the provider to the ports.
 *
 * One ring serves all ports. What a blocked port does not take is moved to a stash of its own, so
 * that the others go on; what follows for it queues up there, in order. When the stash is full as
 * well, the ring waits: nothing is lost while the port moves at all. One that has not moved for
 * |patience| loses what it has no room for, by name; but not where there is no other port to wait.
 *
 * Copies that were forwarded come by another way, and queue up in the same stashes; for them
 * nothing waits. One that never leaves, though it was taken here, is marked in its subscriber's
 * log: whoever waits for its acknowledgement is not to take the network for lossy.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "clear.h"
#include "datathread_impl.h"

#define BURST INLAY_DT_BURST
#define STASH INLAY_DT_STASH

#define LONG_HEADER 0x80 /* RFC 9000 section 17 */
#define FIXED_BIT   0x40

/* --- From the ring --------------------------------------------------------------------------- */

/* May a frame that is not sealed here leave as it is? */
static bool passes_as_it_is(const struct inlay_frame *f, __u32 len)
{
	switch (f->kind) {
	case INLAY_FRAME_SEALED:
		return len && f->data[0] & LONG_HEADER;
	case INLAY_FRAME_UNKNOWN:
		return len >= INLAY_RESET_MIN && len <= INLAY_RESET_MAX &&
		       (f->data[0] & (LONG_HEADER | FIXED_BIT)) == FIXED_BIT;
	default:
		return false;
	}
}

enum {
	AS_IT_IS = -1,
	REFUSED = -2,
};

/* What the descriptor asks of the socket; the tag takes its place. */
static void heed_descriptor(struct inlay_port_item *item)
{
	const __u8 *tail = item->frame->data + item->len - INLAY_TAG;
	__u8 flags = tail[offsetof(struct inlay_desc, flags)];

	item->ecn = (flags & INLAY_DESC_ECN_MASK) >> INLAY_DESC_ECN_SHIFT;
	item->alone = flags & INLAY_DESC_ALONE;
}

/* Index of the seal item of a clear packet; REFUSED: it is none. */
static int make_seal(struct inlay_datathread *dt, struct inlay_port_item *item,
		     struct inlay_seal_item *seals, size_t *n_seals)
{
	struct inlay_frame *f = item->frame;
	enum inlay_verdict verdict =
		inlay_clear_seal_item(f->data, item->len, &f->path.remote, &seals[*n_seals]);

	if (verdict == INLAY_OK) {
		heed_descriptor(item);
		return (int)(*n_seals)++;
	}
	inlay_dt_count_verdict(dt, verdict);
	return REFUSED;
}

/* What becomes of a down frame: as make_seal(), or AS_IT_IS. */
static int judge(struct inlay_datathread *dt, struct inlay_port_item *item, __u16 port,
		 struct inlay_seal_item *seals, size_t *n_seals)
{
	struct inlay_frame *f = item->frame;

	if (inlay_ring_frame_len(f, &item->len) && port < dt->config.n_ports) {
		if (f->kind == INLAY_FRAME_CLEAR)
			return make_seal(dt, item, seals, n_seals);
		if (passes_as_it_is(f, item->len))
			return AS_IT_IS;
	}
	inlay_dt_count(dt, INLAY_REASON_BAD_FRAME, 1);
	return REFUSED;
}

/* Behind all others of its port, before those of higher ones. */
static void queue(struct inlay_dt_burst *tx, const struct inlay_port_item *item, __u16 port)
{
	size_t i = tx->n++;

	for (; i > 0 && tx->ports[i - 1] > port; i--) {
		tx->items[i] = tx->items[i - 1];
		tx->ports[i] = tx->ports[i - 1];
	}
	tx->items[i] = *item;
	tx->ports[i] = port;
}

/* Takes a burst from the down ring: what may leave, sealed, stands in dt->tx afterwards. */
static bool take_burst(struct inlay_datathread *dt)
{
	struct inlay_seal_item seals[BURST];
	struct inlay_frame *frames[BURST];
	struct inlay_port_item items[BURST];
	__u16 ports[BURST];
	int seal_of[BURST]; /* index of its seal item, or one of the above */
	struct inlay_dt_burst *tx = &dt->tx;
	size_t n_seals = 0;

	tx->n = tx->at = 0;
	tx->taken = inlay_ring_peek(dt->config.down, BURST, frames);
	for (size_t i = 0; i < tx->taken; i++) {
		ports[i] = *(const volatile __u16 *)&frames[i]->port; /* read once */
		items[i] = (struct inlay_port_item){.frame = frames[i], .ecn = frames[i]->ecn};
		seal_of[i] = judge(dt, &items[i], ports[i], seals, &n_seals);
	}
	if (n_seals)
		inlay_dt_add(&dt->stats.sealed,
			     dt->config.provider->ops->seal(dt->config.provider, seals, n_seals));
	for (size_t i = 0; i < tx->taken; i++) {
		if (seal_of[i] == REFUSED)
			continue;
		if (seal_of[i] >= 0 && seals[seal_of[i]].verdict != INLAY_OK)
			inlay_dt_count_verdict(dt, seals[seal_of[i]].verdict);
		else
			queue(tx, &items[i], ports[i]);
	}
	return tx->taken > 0;
}

/* --- To the ports ---------------------------------------------------------------------------- */

/* What has been taken will not leave. If it has waited, its entry may be another packet's by now,
 * or another subscriber's: inlay_copy_dropped() sees to that. */
static void give_up(struct inlay_datathread *dt, const struct inlay_port_item *item)
{
	if (!item->sent)
		return;
	inlay_copy_dropped(item->sent, item->pn);
	inlay_dt_count(dt, INLAY_REASON_COPY_DROPPED, 1);
}

/* Sends as much as the port takes; returns how many are settled. */
static size_t send_items(struct inlay_datathread *dt, __u16 port,
			 const struct inlay_port_item *items, size_t n)
{
	struct inlay_port_sent sent;

	inlay_port_udp_send(&dt->config.ports[port], items, n, &sent);
	inlay_dt_add(&dt->stats.tx_packets, sent.done - sent.failed - sent.too_large);
	inlay_dt_add(&dt->stats.tx_bytes, sent.bytes);
	inlay_dt_count(dt, INLAY_REASON_SEND_FAILED, sent.failed);
	inlay_dt_count(dt, INLAY_REASON_TOO_LARGE, sent.too_large);
	for (__u64 left = sent.refused; left; left &= left - 1)
		give_up(dt, &items[__builtin_ctzll(left)]);
	if (sent.blocked) {
		inlay_dt_add(&dt->stats.blocked, 1);
		dt->blocked |= 1ULL << port;
	}
	return sent.done;
}

static bool has_stashed(const struct inlay_datathread *dt, __u16 port)
{
	return dt->stashes[port] && dt->stashes[port]->n;
}

/* The port's stash, with room; NULL: there is none. */
static struct inlay_dt_stash *stash_with_room(struct inlay_datathread *dt, __u16 port)
{
	struct inlay_dt_stash *s = dt->stashes[port];

	/* Alone, a port is waited for where its frames are; but for copies, which are in order with
	 * them. */
	if (dt->config.n_ports == 1 && !dt->fanout)
		return NULL;
	if (s)
		return s->n < STASH ? s : NULL;
	s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	s->frames = calloc(STASH, sizeof(*s->frames));
	if (!s->frames) {
		free(s);
		return NULL;
	}
	dt->stashes[port] = s;
	return s;
}

static void put_away(struct inlay_dt_stash *s, const struct inlay_port_item *item)
{
	size_t at = (s->first + s->n++) % STASH;

	s->items[at] = *item;
	s->items[at].frame = &s->frames[at];
	memcpy(s->items[at].frame, item->frame, offsetof(struct inlay_frame, data) + item->len);
}

/* False: something is left, and the port is blocked. */
static bool flush_stash(struct inlay_datathread *dt, __u16 port)
{
	struct inlay_dt_stash *s = dt->stashes[port];

	while (s && s->n) {
		size_t side_by_side = STASH - s->first < s->n ? STASH - s->first : s->n;
		size_t sent = send_items(dt, port, s->items + s->first, side_by_side);

		s->first = (s->first + sent) % STASH;
		s->n -= sent;
		if (sent)
			s->full_since = 0;
		if (dt->blocked & 1ULL << port)
			return false;
	}
	return true;
}

/* Nothing has left by |port| for so long that the others are not to wait for it. */
static bool is_given_up(struct inlay_datathread *dt, __u16 port)
{
	struct inlay_dt_stash *s = dt->stashes[port];
	inlay_ns now = inlay_dt_now();

	if (!s || dt->config.n_ports == 1)
		return false;
	if (!s->full_since)
		s->full_since = now;
	return now - s->full_since >= dt->config.patience;
}

/* Sends or stashes |items| of one port; returns how many. */
static size_t send_or_stash(struct inlay_datathread *dt, __u16 port,
			    const struct inlay_port_item *items, size_t n)
{
	struct inlay_dt_stash *s;
	size_t done = 0;

	while (done < n && !has_stashed(dt, port) && !(dt->blocked & 1ULL << port))
		done += send_items(dt, port, items + done, n - done);
	for (; done < n && (s = stash_with_room(dt, port)); done++)
		put_away(s, &items[done]);
	return done;
}

size_t inlay_dt_send_copies(void *user, __u16 port, const struct inlay_port_item *items, size_t n)
{
	struct inlay_datathread *dt = user;
	size_t taken = 0;

	if (port >= dt->config.n_ports)
		return 0;
	pthread_mutex_lock(&dt->down_lock);
	taken = send_or_stash(dt, port, items, n);
	pthread_mutex_unlock(&dt->down_lock);
	return taken;
}

/* Sends, stashes or drops |items| of one port; returns how many are settled so. */
static size_t dispose(struct inlay_datathread *dt, __u16 port, const struct inlay_port_item *items,
		      size_t n)
{
	size_t done = send_or_stash(dt, port, items, n);

	if (done < n && is_given_up(dt, port)) {
		inlay_dt_count(dt, INLAY_REASON_PORT_BLOCKED, n - done);
		for (; done < n; done++)
			give_up(dt, &items[done]);
	}
	return done;
}

/* True: all of dt->tx is settled. */
static bool send_burst(struct inlay_datathread *dt)
{
	struct inlay_dt_burst *tx = &dt->tx;

	while (tx->at < tx->n) {
		__u16 port = tx->ports[tx->at];
		size_t run = 1, done;

		while (run < BURST && tx->at + run < tx->n && tx->ports[tx->at + run] == port)
			run++;
		done = dispose(dt, port, tx->items + tx->at, run);
		tx->at += done;
		if (done < run)
			return false;
	}
	if (tx->taken) {
		inlay_ring_release(dt->config.down, tx->taken);
		tx->taken = 0;
		inlay_dt_add(&dt->stats.tx_bursts, 1);
	}
	return true;
}

/* Has epoll tell of the ports that are waited for, and of no others. */
static void watch_blocked(struct inlay_datathread *dt)
{
	__u64 changed = dt->blocked ^ dt->watched;

	for (__u32 i = 0; changed && i < dt->config.n_ports; i++) {
		struct epoll_event ev = {.events = EPOLLIN, .data.u32 = i};

		if (!(changed & 1ULL << i))
			continue;
		if (dt->blocked & 1ULL << i)
			ev.events |= EPOLLOUT;
		epoll_ctl(dt->epoll, EPOLL_CTL_MOD, dt->config.ports[i].fd, &ev);
	}
	dt->watched = dt->blocked;
}

void inlay_dt_transmit(struct inlay_datathread *dt, __u64 writable)
{
	writable &= dt->blocked;
	dt->blocked &= ~writable;
	for (__u16 i = 0; i < dt->config.n_ports; i++)
		if (writable & 1ULL << i)
			flush_stash(dt, i);
	for (int i = 0; i < INLAY_DT_BURSTS_PER_TURN; i++)
		if (!send_burst(dt) || !take_burst(dt))
			break;
	send_burst(dt);
	watch_blocked(dt);
}

bool inlay_dt_is_held(const struct inlay_datathread *dt)
{
	return dt->tx.at < dt->tx.n;
}

/* Nobody will send what waits there. */
static void empty_stash(struct inlay_datathread *dt, __u16 port)
{
	struct inlay_dt_stash *s = dt->stashes[port];

	if (!s)
		return;
	inlay_dt_count(dt, INLAY_REASON_PORT_BLOCKED, s->n);
	for (; s->n; s->n--, s->first = (s->first + 1) % STASH)
		give_up(dt, &s->items[s->first]);
}

void inlay_dt_send_the_rest(struct inlay_datathread *dt)
{
	dt->blocked = 0;
	for (__u16 i = 0; i < dt->config.n_ports; i++)
		flush_stash(dt, i);
	while (send_burst(dt) && take_burst(dt))
		;
	for (__u16 i = 0; i < dt->config.n_ports; i++)
		empty_stash(dt, i);
}

void inlay_dt_free_stashes(struct inlay_datathread *dt)
{
	for (__u16 i = 0; i < INLAY_DATATHREAD_PORTS; i++) {
		if (!dt->stashes[i])
			continue;
		empty_stash(dt, i);
		free(dt->stashes[i]->frames);
		free(dt->stashes[i]);
	}
}

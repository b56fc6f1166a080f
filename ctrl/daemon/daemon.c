/* SPDX-License-Identifier: BSD-2-Clause */
/* The control thread at work. What it is made of is put together in daemon_setup.c. */
#include <sys/epoll.h>

#include "daemon_impl.h"
#include "log.h"

#define BURST		INLAY_RING_BURST
#define BURSTS_PER_TURN 8
#define FAREWELL	(500 * INLAY_MS) /* for the peers' answers to CONNECTION_CLOSE */

/* False: the ring is empty. */
static bool take_burst(struct inlay_daemon *d)
{
	struct inlay_frame *frames[BURST];
	size_t n = inlay_ring_peek(d->up, BURST, frames);

	if (!n)
		return false;
	d->now = inlay_loop_now();
	for (size_t i = 0; i < n; i++)
		inlay_endpoint_recv(d->endpoint, frames[i], d->now);
	inlay_ring_release(d->up, n);
	inlay_sessions_touch(&d->sessions);
	return n == BURST;
}

static void run_timers(struct inlay_daemon *d)
{
	d->now = inlay_loop_now();
	if (inlay_endpoint_deadline(d->endpoint) <= d->now)
		inlay_endpoint_on_timer(d->endpoint, d->now);
	inlay_endpoint_on_provider(d->endpoint, d->now);
	inlay_sessions_on_timer(&d->sessions);
	if (inlay_relay_deadline(d->relay) <= d->now)
		inlay_relay_on_timer(d->relay, d->now);
	inlay_origin_on_timer(&d->origin, d->endpoint, d->now);
	inlay_sessions_reap(&d->sessions);
}

/* Slots that stand side by side in memory, from the first. */
static size_t contiguous(struct inlay_frame **slots, size_t n)
{
	size_t run = 1;

	while (run < n && slots[run] == slots[0] + run)
		run++;
	return run;
}

/* Sending a burst costs as much as waking the data thread for it, and what arrives next is not kept
 * waiting: nothing has arrived. */
static bool may_send_here(const struct inlay_daemon *d)
{
	struct inlay_frame *next;

	return inlay_ring_peek(d->up, 1, &next) == 0;
}

/* Writes what there is to send straight into the down ring. False: the ring is full. */
static bool send_all(struct inlay_daemon *d)
{
	struct inlay_frame *slots[BURST];
	bool first = true;
	size_t room, n;

	for (; (room = inlay_ring_reserve(d->down, BURST, slots)); first = false) {
		room = contiguous(slots, room);
		n = inlay_endpoint_send(d->endpoint, slots[0], room, d->now);
		if (n > 0) {
			inlay_ring_publish(d->down, n);
			inlay_datathread_push(d->datathread, n < room && first && may_send_here(d));
		}
		if (n < room)
			return true;
	}
	d->full_down++;
	return false;
}

static inlay_ns earlier(inlay_ns a, inlay_ns b)
{
	return a < b ? a : b;
}

static inlay_ns next_deadline(const struct inlay_daemon *d)
{
	inlay_ns next = inlay_endpoint_deadline(d->endpoint);

	next = earlier(next, inlay_relay_deadline(d->relay));
	next = earlier(next, inlay_sessions_deadline(&d->sessions));
	return earlier(next, d->origin.dial_at);
}

/* One wake-up. Work is bounded, so that the control socket and signals have their turn. */
static void turn(struct inlay_daemon *d, inlay_ns limit)
{
	inlay_ns deadline;
	bool sent;

	for (int i = 0; i < BURSTS_PER_TURN && take_burst(d); i++)
		;
	run_timers(d);
	sent = send_all(d);
	inlay_sessions_reap(&d->sessions);

	deadline = earlier(next_deadline(d), limit);
	/* With a full ring only room helps: a deadline that waits for it must not keep us awake. */
	if (!sent)
		deadline = inlay_ring_producer_sleep(d->down) ? limit : 0;
	if (!inlay_ring_consumer_sleep(d->up))
		deadline = 0;
	inlay_loop_turn(d->loop, deadline);
	inlay_ring_consumer_awake(d->up, false);
	if (!sent)
		inlay_ring_producer_awake(d->down, false);
}

static void say_farewell(struct inlay_daemon *d)
{
	unsigned int signals = inlay_loop_signals(d->loop);
	inlay_ns limit;

	d->now = inlay_loop_now();
	limit = d->now + FAREWELL;
	d->origin.dial_at = INLAY_NEVER;
	inlay_endpoint_close(d->endpoint, 0, "the relay shuts down", d->now);
	while (!inlay_endpoint_is_idle(d->endpoint) && inlay_loop_now() < limit &&
	       inlay_loop_signals(d->loop) == signals)
		turn(d, limit);
}

void inlay_daemon_run(struct inlay_daemon *d)
{
	while (!inlay_loop_signals(d->loop))
		turn(d, INLAY_NEVER);
	inlay_log(INLAY_LOG_INFO, "shutting down");
	say_farewell(d);
}

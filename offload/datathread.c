/* SPDX-License-Identifier: BSD-2-Clause */
#include "datathread.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "datathread_impl.h"

#define BURST		INLAY_DT_BURST
#define PATIENCE	(200 * INLAY_MS)
#define WAKE_LATER	INLAY_MS
#define STRANGERS_LEAVE 4 /* of the up ring, the part that only opened packets may fill: 1 in 4 */

/* epoll's data: a port's index, or one of these. */
enum {
	EVENT_DOWN_RING = INLAY_DATATHREAD_PORTS,
	EVENT_STOP,
	N_EVENTS,
};

#define LONG_HEADER 0x80 /* RFC 9000 section 17 */

/* --- Up ------------------------------------------------------------------------------------ */

inlay_ns inlay_dt_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (inlay_ns)ts.tv_sec * INLAY_S + (inlay_ns)ts.tv_nsec;
}

static void count_kernel_drops(struct inlay_datathread *dt, const struct inlay_port_udp *port)
{
	__u32 *seen = &dt->kernel_drops[port->index];

	inlay_dt_count(dt, INLAY_REASON_SOCKET_FULL, (__u32)(port->kernel_drops - *seen));
	*seen = port->kernel_drops;
}

/* Opens what is 1-RTT in a burst; afterwards a frame's kind says what it is, and 0 drops it. */
static void open_burst(struct inlay_datathread *dt, struct inlay_frame **frames, size_t n)
{
	struct inlay_open_item items[BURST];
	struct inlay_frame *of[BURST];
	size_t n_items = 0;

	for (size_t i = 0; i < n; i++) {
		struct inlay_frame *f = frames[i];

		if (!f->kind) {
			inlay_dt_count(dt, INLAY_REASON_OVERSIZED, 1);
		} else if (!f->len) {
			f->kind = 0;
			inlay_dt_count(dt, INLAY_REASON_RUNT, 1);
		} else if (!(f->data[0] & LONG_HEADER)) {
			items[n_items] = (struct inlay_open_item){
				.packet = f->data, .len = f->len, .local = f->path.local};
			of[n_items++] = f;
		}
	}
	if (!n_items)
		return;
	dt->config.provider->ops->open(dt->config.provider, items, n_items);
	for (size_t i = 0; i < n_items; i++) {
		struct inlay_frame *f = of[i];
		__u8 verdict = items[i].verdict;

		/* Reserved bits end the connection (RFC 9000 section 17.3.1): it has to know. */
		if (verdict == INLAY_OK || verdict == INLAY_RESERVED_BITS) {
			f->kind = INLAY_FRAME_CLEAR;
			inlay_dt_add(&dt->stats.opened, 1);
		} else if (verdict == INLAY_NO_SA ||
			   (verdict == INLAY_RUNT && f->len >= INLAY_RESET_MIN)) {
			/* Too short for a packet may still be a stateless reset. */
			f->kind = INLAY_FRAME_UNKNOWN;
		} else {
			/* RFC 9000 section 10.3.1: nor need it name an unknown connection. */
			f->kind = verdict == INLAY_AUTH_FAILED ? INLAY_FRAME_FORGED : 0;
			inlay_dt_count_verdict(dt, verdict);
		}
	}
}

/* What strangers can send at will leaves room for packets of connections. */
static void hold_strangers_back(struct inlay_datathread *dt, struct inlay_frame **frames, size_t n)
{
	size_t kept_free = inlay_ring_slots(dt->config.up) / STRANGERS_LEAVE;
	size_t room = inlay_ring_room(dt->config.up);
	size_t allowed = room > kept_free ? room - kept_free : 0;

	for (size_t i = 0; i < n; i++) {
		if (!frames[i]->kind || frames[i]->kind == INLAY_FRAME_CLEAR)
			continue;
		if (allowed) {
			allowed--;
			continue;
		}
		/* A forged one is counted already. */
		inlay_dt_count(dt, INLAY_REASON_RING_FULL_UP,
			       frames[i]->kind != INLAY_FRAME_FORGED);
		frames[i]->kind = 0;
	}
}

/* --- Waking the control thread --------------------------------------------------------------- */

/*
 * Media of which copies have left is in no hurry: where it comes more often than every WAKE_LATER,
 * the control thread has it so much later, or sooner, with what comes next, which is mostly
 * acknowledgements of those copies. Nothing else waits: handshakes, say, do not. Where it comes
 * less often the control thread works at once, on a CPU that is awake already: that is cheaper.
 */
static void hand_up(struct inlay_datathread *dt, struct inlay_frame **frames, size_t n,
		    bool forwarded)
{
	inlay_ns now = forwarded ? inlay_dt_now() : 0;
	bool later = forwarded && dt->running && now < dt->forwarded_at + WAKE_LATER;

	if (forwarded)
		dt->forwarded_at = now;
	for (size_t i = 0; i < n; i++)
		later &= frames[i]->kind == INLAY_FRAME_CLEAR;
	if (!later) {
		inlay_ring_commit(dt->config.up, n);
		dt->wake_at = n ? 0 : dt->wake_at;
		return;
	}
	inlay_ring_publish(dt->config.up, n);
	if (!dt->wake_at)
		dt->wake_at = now + WAKE_LATER;
}

/* Whoever was woken meanwhile does not sleep any more: then it costs nothing. */
static void wake_if_due(struct inlay_datathread *dt)
{
	if (!dt->wake_at || inlay_dt_now() < dt->wake_at)
		return;
	dt->wake_at = 0;
	if (inlay_ring_claim_sleeper(dt->config.up))
		inlay_ring_wake_consumer(dt->config.up);
}

static void mark_ecn(struct inlay_frame *f)
{
	f->data[f->len - INLAY_TAG + offsetof(struct inlay_desc, flags)] |=
		(__u8)(f->ecn << INLAY_DESC_ECN_SHIFT) & INLAY_DESC_ECN_MASK;
}

static void copy_frame(struct inlay_frame *to, const struct inlay_frame *from)
{
	memcpy(to, from, offsetof(struct inlay_frame, data) + from->len);
}

/* Closes the holes that dropped frames left, order kept; returns how many remain. */
static size_t compact(struct inlay_frame **frames, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		if (!frames[i]->kind)
			continue;
		if (frames[i]->kind == INLAY_FRAME_CLEAR)
			mark_ecn(frames[i]);
		if (kept != i)
			copy_frame(frames[kept], frames[i]);
		kept++;
	}
	return kept;
}

/* Makes copies of the first |frames|, as many as are made at a time; returns of how many frames.
 * What the control thread wants sent stands in front of the copies: their numbers are higher.
 * |retry|: epoll has not been asked since ports were found blocked. */
static size_t forward(struct inlay_datathread *dt, struct inlay_frame **frames, size_t n,
		      bool retry, bool *ret_forwarded)
{
	struct inlay_fanout_stats before, after;
	size_t done;

	pthread_mutex_lock(&dt->down_lock);
	inlay_dt_transmit(dt, retry ? ~0ULL : 0);
	pthread_mutex_unlock(&dt->down_lock);
	inlay_fanout_stats(dt->fanout, &before);
	done = inlay_fanout_run(dt->fanout, frames, n, inlay_dt_now());
	inlay_fanout_stats(dt->fanout, &after);
	*ret_forwarded = after.copies > before.copies;
	return done;
}

/* Packets go up once they are forwarded, and do not wait for all of their burst: with many
 * subscribers that takes long, and both rings' other ends wait. */
static void deliver(struct inlay_datathread *dt, struct inlay_frame **frames, size_t n)
{
	size_t at = 0, done = n;
	bool forwarded = false;

	for (;;) {
		if (dt->fanout)
			done = forward(dt, frames + at, n - at, at > 0, &forwarded);
		hand_up(dt, frames + at, done, forwarded);
		at += done;
		if (at == n)
			return;
		wake_if_due(dt);
	}
}

/* False: nothing is waiting. */
static bool receive_burst(struct inlay_datathread *dt, struct inlay_port_udp *port)
{
	struct inlay_frame *frames[BURST];
	size_t room = inlay_ring_reserve(dt->config.up, BURST, frames);
	size_t n, wanted = room ? room : BURST;
	__u64 bytes = 0;

	/* No room: received all the same, so that what is dropped is counted, and the newest
	 * packets, not the oldest, are there once the control thread has caught up. */
	n = inlay_port_udp_recv(port, room ? frames : dt->scratch, wanted, inlay_dt_now());
	count_kernel_drops(dt, port);
	if (!n)
		return false;
	for (size_t i = 0; i < n; i++)
		bytes += (room ? frames : dt->scratch)[i]->len;
	inlay_dt_add(&dt->stats.rx_packets, n);
	inlay_dt_add(&dt->stats.rx_bytes, bytes);
	inlay_dt_add(&dt->stats.rx_bursts, 1);
	if (!room) {
		inlay_dt_count(dt, INLAY_REASON_RING_FULL_UP, n);
	} else {
		open_burst(dt, frames, n);
		hold_strangers_back(dt, frames, n);
		deliver(dt, frames, compact(frames, n));
	}
	return n == wanted;
}

static void receive(struct inlay_datathread *dt, struct inlay_port_udp *port)
{
	for (int i = 0; i < INLAY_DT_BURSTS_PER_TURN && receive_burst(dt, port); i++)
		;
	dt->unread &= ~(1ULL << port->index);
	if (inlay_port_udp_has_more(port))
		dt->unread |= 1ULL << port->index;
}

/* --- The loop ------------------------------------------------------------------------------ */

/* How long to wait for events; the down ring is told. */
static int wait_for(struct inlay_datathread *dt, int timeout_ms)
{
	int patience_ms = (int)(dt->config.patience / INLAY_MS) + 1;

	if (!timeout_ms || dt->unread)
		return 0;
	if (dt->wake_at)
		timeout_ms = (int)(WAKE_LATER / INLAY_MS);
	/* What is blocked waits for its socket, not for the ring; and not for ever. */
	if (inlay_dt_is_held(dt))
		return timeout_ms < 0 || timeout_ms > patience_ms ? patience_ms : timeout_ms;
	return inlay_ring_consumer_sleep(dt->config.down) ? timeout_ms : 0;
}

/* True: it is time to end. */
static bool turn(struct inlay_datathread *dt, int timeout_ms)
{
	struct epoll_event events[N_EVENTS];
	__u64 readable = dt->unread, writable = 0;
	bool stop = false;
	int n;

	pthread_mutex_lock(&dt->down_lock);
	timeout_ms = wait_for(dt, timeout_ms);
	pthread_mutex_unlock(&dt->down_lock);
	n = epoll_wait(dt->epoll, events, N_EVENTS, timeout_ms);
	wake_if_due(dt);
	for (int i = 0; i < n; i++) {
		__u32 what = events[i].data.u32;

		stop |= what == EVENT_STOP;
		if (what >= dt->config.n_ports)
			continue;
		if (events[i].events & ~EPOLLOUT)
			readable |= 1ULL << what;
		if (events[i].events & EPOLLOUT)
			writable |= 1ULL << what;
	}
	/* Edge-triggered: a signal need not be read away. */
	inlay_ring_consumer_awake(dt->config.down, false);
	for (size_t i = 0; i < dt->config.n_ports; i++)
		if (readable & 1ULL << i)
			receive(dt, &dt->config.ports[i]);
	pthread_mutex_lock(&dt->down_lock);
	inlay_dt_transmit(dt, writable);
	pthread_mutex_unlock(&dt->down_lock);
	return stop;
}

void inlay_datathread_push(struct inlay_datathread *dt, bool here)
{
	bool done = false;

	/* Awake, it looks at the ring before it sleeps. */
	if (!inlay_ring_claim_sleeper(dt->config.down))
		return;
	if (here && !pthread_mutex_trylock(&dt->down_lock)) {
		inlay_dt_transmit(dt, 0);
		done = !inlay_dt_is_held(dt) && inlay_ring_consumer_sleep(dt->config.down);
		pthread_mutex_unlock(&dt->down_lock);
	}
	if (!done)
		inlay_ring_wake_consumer(dt->config.down);
}

void inlay_datathread_turn(struct inlay_datathread *dt, int timeout_ms)
{
	turn(dt, timeout_ms);
}

static void *run(void *arg)
{
	struct inlay_datathread *dt = arg;

	while (!turn(dt, -1))
		;
	/* What the control thread said last, CONNECTION_CLOSE above all, still leaves. */
	pthread_mutex_lock(&dt->down_lock);
	inlay_dt_send_the_rest(dt);
	pthread_mutex_unlock(&dt->down_lock);
	return NULL;
}

/* --- Life ---------------------------------------------------------------------------------- */

static int watch(struct inlay_datathread *dt, int fd, __u32 what, __u32 how)
{
	struct epoll_event ev = {.events = EPOLLIN | how, .data.u32 = what};

	return epoll_ctl(dt->epoll, EPOLL_CTL_ADD, fd, &ev) ? -errno : 0;
}

static int make_fanout(struct inlay_datathread *dt)
{
	static const struct inlay_fanout_ops ops = {.send = inlay_dt_send_copies};
	const struct inlay_fanout_config config = {
		.tables = dt->config.tables,
		.context = dt->config.context,
		.provider = dt->config.provider,
		.ops = &ops,
		.user = dt,
	};

	return config.tables ? inlay_fanout_new(&config, &dt->fanout) : 0;
}

static int set_up(struct inlay_datathread *dt)
{
	struct inlay_frame *scratch = calloc(BURST, sizeof(*scratch));
	int ret;

	if (!scratch)
		return -ENOMEM;
	for (size_t i = 0; i < BURST; i++)
		dt->scratch[i] = &scratch[i];
	dt->epoll = epoll_create1(EPOLL_CLOEXEC);
	dt->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (dt->epoll < 0 || dt->stop_fd < 0)
		return -errno;
	ret = watch(dt, dt->stop_fd, EVENT_STOP, 0);
	if (!ret)
		ret = watch(dt, inlay_ring_fds(dt->config.down).data, EVENT_DOWN_RING, EPOLLET);
	for (size_t i = 0; i < dt->config.n_ports && !ret; i++)
		ret = watch(dt, dt->config.ports[i].fd, (__u32)i, 0);
	return ret ? ret : make_fanout(dt);
}

int inlay_datathread_new(const struct inlay_datathread_config *config,
			 struct inlay_datathread **ret_dt)
{
	struct inlay_datathread *dt;
	int ret;

	if (config->n_ports > INLAY_DATATHREAD_PORTS)
		return -EINVAL;
	for (size_t i = 0; i < config->n_ports; i++)
		if (config->ports[i].index != i)
			return -EINVAL;
	dt = aligned_alloc(INLAY_CACHELINE, sizeof(*dt));
	if (!dt)
		return -ENOMEM;
	*dt = (struct inlay_datathread){.config = *config, .epoll = -1, .stop_fd = -1};
	if (!dt->config.patience)
		dt->config.patience = PATIENCE;
	pthread_mutex_init(&dt->down_lock, NULL);
	ret = set_up(dt);
	if (ret) {
		inlay_datathread_free(dt);
		return ret;
	}
	*ret_dt = dt;
	return 0;
}

static int start_with(struct inlay_datathread *dt, pthread_attr_t *attr)
{
	sigset_t all, old;
	cpu_set_t cpus;
	int ret = 0;

	if (dt->config.cpu >= 0) {
		if (dt->config.cpu >= CPU_SETSIZE)
			return -EINVAL;
		CPU_ZERO(&cpus);
		CPU_SET(dt->config.cpu, &cpus);
		ret = pthread_attr_setaffinity_np(attr, sizeof(cpus), &cpus);
		if (ret)
			return -ret;
	}
	/* Signals are the control thread's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	ret = pthread_create(&dt->thread, attr, run, dt);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (ret)
		return -ret;
	pthread_setname_np(dt->thread, "inlay-data");
	dt->running = true;
	return 0;
}

int inlay_datathread_start(struct inlay_datathread *dt)
{
	pthread_attr_t attr;
	int ret;

	if (dt->running)
		return -EINVAL;
	if (pthread_attr_init(&attr))
		return -ENOMEM;
	ret = start_with(dt, &attr);
	pthread_attr_destroy(&attr);
	return ret;
}

void inlay_datathread_stop(struct inlay_datathread *dt)
{
	__u64 ignored;

	if (!dt->running)
		return;
	(void)!write(dt->stop_fd, &(__u64){1}, sizeof(__u64));
	pthread_join(dt->thread, NULL);
	(void)!read(dt->stop_fd, &ignored, sizeof(ignored));
	dt->running = false;
}

void inlay_datathread_free(struct inlay_datathread *dt)
{
	if (!dt)
		return;
	inlay_datathread_stop(dt);
	if (dt->epoll >= 0)
		close(dt->epoll);
	if (dt->stop_fd >= 0)
		close(dt->stop_fd);
	inlay_dt_free_stashes(dt);
	inlay_fanout_free(dt->fanout);
	pthread_mutex_destroy(&dt->down_lock);
	free(dt->scratch[0]);
	free(dt);
}

static void add_port(struct inlay_port_stats *sum, const struct inlay_port_stats *one)
{
	const __u64 *from = (const __u64 *)one;
	__u64 *to = (__u64 *)sum;

	for (size_t i = 0; i < sizeof(*sum) / sizeof(*to); i++)
		to[i] += inlay_load_u64(&from[i]);
}

void inlay_datathread_stats(const struct inlay_datathread *dt, struct inlay_datathread_stats *ret)
{
	const __u64 *from = (const __u64 *)&dt->stats;
	__u64 *to = (__u64 *)ret;

	for (size_t i = 0; i < sizeof(*ret) / sizeof(*to); i++)
		to[i] = inlay_load_u64(&from[i]);
	for (size_t i = 0; i < dt->config.n_ports; i++)
		add_port(&ret->ports, &dt->config.ports[i].stats);
	if (dt->fanout)
		inlay_fanout_stats(dt->fanout, &ret->fanout);
}

void inlay_datathread_forward_reasons(const struct inlay_datathread *dt,
				      struct inlay_reason_counters *ret)
{
	const struct inlay_reason_counters *c =
		dt->fanout ? inlay_fanout_reasons(dt->fanout) : NULL;

	for (size_t i = 0; i < INLAY_N_REASONS; i++)
		ret->count[i] = c ? inlay_load_u64(&c->count[i]) : 0;
}

void inlay_datathread_reasons(const struct inlay_datathread *dt, struct inlay_reason_counters *ret)
{
	const struct inlay_reason_counters *more =
		dt->fanout ? inlay_fanout_reasons(dt->fanout) : NULL;

	for (size_t i = 0; i < INLAY_N_REASONS; i++) {
		ret->count[i] = inlay_load_u64(&dt->reasons.count[i]);
		if (more)
			ret->count[i] += inlay_load_u64(&more->count[i]);
	}
}

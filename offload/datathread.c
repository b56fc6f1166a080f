/* SPDX-License-Identifier: BSD-2-Clause */
#include "datathread.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "clear.h"
#include "inlay_atomic.h"

#define BURST		INLAY_PORT_BURST
#define BURSTS_PER_TURN 4 /* in each direction, of each port */
#define STRANGERS_LEAVE 4 /* of the up ring, the part that only opened packets may fill: 1 in 4 */

/* epoll's data: a port's index, or one of these. */
enum {
	EVENT_DOWN_RING = INLAY_DATATHREAD_PORTS,
	EVENT_STOP,
	N_EVENTS,
};

#define LONG_HEADER 0x80 /* RFC 9000 section 17 */
#define FIXED_BIT   0x40

/* Down frames that were taken from the ring, sealed, and not yet all sent. They are sealed once:
 * what waits for a socket is kept here, with lengths that nobody can change any more. */
struct tx_burst {
	struct inlay_frame *frames[BURST];
	__u32 lens[BURST];
	__u16 ports[BURST];
	size_t n;     /* frames to send */
	size_t at;    /* the first that is not settled */
	size_t taken; /* ring slots to release when all are */
};

struct inlay_datathread {
	struct inlay_datathread_config config;
	int epoll, stop_fd;
	pthread_t thread;
	bool running;
	int blocked_port; /* waits for this one to be writable; -1: none */
	struct tx_burst tx;
	__u32 kernel_drops[INLAY_DATATHREAD_PORTS]; /* as last seen */
	struct inlay_frame *scratch[BURST];	    /* to receive into what there is no room for */

	/* Written by the data thread alone; read by any. */
	struct inlay_datathread_stats stats __attribute__((aligned(INLAY_CACHELINE)));
	struct inlay_reason_counters reasons;
};

static void add(__u64 *counter, __u64 n)
{
	inlay_store_u64(counter, *counter + n);
}

static void count(struct inlay_datathread *dt, enum inlay_reason reason, __u64 n)
{
	add(&dt->reasons.count[reason], n);
}

static void count_verdict(struct inlay_datathread *dt, __u8 verdict)
{
	count(dt, inlay_verdict_reason((enum inlay_verdict)verdict), 1);
}

/* --- Up ------------------------------------------------------------------------------------ */

static inlay_ns now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (inlay_ns)ts.tv_sec * INLAY_S + (inlay_ns)ts.tv_nsec;
}

static void count_kernel_drops(struct inlay_datathread *dt, const struct inlay_port_udp *port)
{
	__u32 *seen = &dt->kernel_drops[port->index];

	count(dt, INLAY_REASON_SOCKET_FULL, (__u32)(port->kernel_drops - *seen));
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
			count(dt, INLAY_REASON_OVERSIZED, 1);
		} else if (!f->len) {
			f->kind = 0;
			count(dt, INLAY_REASON_RUNT, 1);
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
			add(&dt->stats.opened, 1);
		} else if (verdict == INLAY_NO_SA ||
			   (verdict == INLAY_RUNT && f->len >= INLAY_RESET_MIN)) {
			/* Too short for a packet may still be a stateless reset. */
			f->kind = INLAY_FRAME_UNKNOWN;
		} else {
			/* RFC 9000 section 10.3.1: nor need it name an unknown connection. */
			f->kind = verdict == INLAY_AUTH_FAILED ? INLAY_FRAME_FORGED : 0;
			count_verdict(dt, verdict);
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
		count(dt, INLAY_REASON_RING_FULL_UP, frames[i]->kind != INLAY_FRAME_FORGED);
		frames[i]->kind = 0;
	}
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

/* False: nothing is waiting. */
static bool receive_burst(struct inlay_datathread *dt, struct inlay_port_udp *port)
{
	struct inlay_frame *frames[BURST];
	size_t room = inlay_ring_reserve(dt->config.up, BURST, frames);
	size_t n, wanted = room ? room : BURST;
	__u64 bytes = 0;

	/* No room: received all the same, so that what is dropped is counted, and the newest
	 * packets, not the oldest, are there once the control thread has caught up. */
	n = inlay_port_udp_recv(port, room ? frames : dt->scratch, wanted, now_ns());
	count_kernel_drops(dt, port);
	if (!n)
		return false;
	for (size_t i = 0; i < n; i++)
		bytes += (room ? frames : dt->scratch)[i]->len;
	add(&dt->stats.rx_packets, n);
	add(&dt->stats.rx_bytes, bytes);
	add(&dt->stats.rx_bursts, 1);
	if (!room) {
		count(dt, INLAY_REASON_RING_FULL_UP, n);
	} else {
		open_burst(dt, frames, n);
		hold_strangers_back(dt, frames, n);
		inlay_ring_commit(dt->config.up, compact(frames, n));
	}
	return n == wanted;
}

static void receive(struct inlay_datathread *dt, struct inlay_port_udp *port)
{
	for (int i = 0; i < BURSTS_PER_TURN && receive_burst(dt, port); i++)
		;
}

/* --- Down ---------------------------------------------------------------------------------- */

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

/* Index of the seal item of a clear packet; REFUSED: it is none. */
static int make_item(struct inlay_datathread *dt, struct inlay_frame *f, __u32 len,
		     struct inlay_seal_item *items, size_t *n_items)
{
	enum inlay_verdict verdict =
		inlay_clear_seal_item(f->data, len, &f->path.remote, &items[*n_items]);

	if (verdict == INLAY_OK)
		return (int)(*n_items)++;
	count_verdict(dt, verdict);
	return REFUSED;
}

/* What becomes of a down frame: as make_item(), or AS_IT_IS. */
static int judge(struct inlay_datathread *dt, struct inlay_frame *f, __u16 port, __u32 *ret_len,
		 struct inlay_seal_item *items, size_t *n_items)
{
	if (inlay_ring_frame_len(f, ret_len) && port < dt->config.n_ports) {
		if (f->kind == INLAY_FRAME_CLEAR)
			return make_item(dt, f, *ret_len, items, n_items);
		if (passes_as_it_is(f, *ret_len))
			return AS_IT_IS;
	}
	count(dt, INLAY_REASON_BAD_FRAME, 1);
	return REFUSED;
}

/* Takes a burst from the down ring: what may leave, sealed, stands in dt->tx afterwards. */
static bool take_burst(struct inlay_datathread *dt)
{
	struct inlay_seal_item items[BURST];
	struct inlay_frame *frames[BURST];
	__u32 lens[BURST];
	__u16 ports[BURST];
	int item_of[BURST]; /* index of its seal item, or one of the above */
	struct tx_burst *tx = &dt->tx;
	size_t n_items = 0;

	tx->n = tx->at = 0;
	tx->taken = inlay_ring_peek(dt->config.down, BURST, frames);
	for (size_t i = 0; i < tx->taken; i++) {
		ports[i] = *(const volatile __u16 *)&frames[i]->port; /* read once */
		item_of[i] = judge(dt, frames[i], ports[i], &lens[i], items, &n_items);
	}
	if (n_items)
		add(&dt->stats.sealed,
		    dt->config.provider->ops->seal(dt->config.provider, items, n_items));
	for (size_t i = 0; i < tx->taken; i++) {
		if (item_of[i] == REFUSED)
			continue;
		if (item_of[i] >= 0 && items[item_of[i]].verdict != INLAY_OK) {
			count_verdict(dt, items[item_of[i]].verdict);
			continue;
		}
		tx->frames[tx->n] = frames[i];
		tx->lens[tx->n] = lens[i];
		tx->ports[tx->n++] = ports[i];
	}
	return tx->taken > 0;
}

/* Frames from the first unsettled one on that leave by the same port. */
static size_t run_length(const struct tx_burst *tx)
{
	size_t n = 1;

	while (tx->at + n < tx->n && tx->ports[tx->at + n] == tx->ports[tx->at])
		n++;
	return n;
}

static void wait_for_port(struct inlay_datathread *dt, int port)
{
	int old = dt->blocked_port;
	struct epoll_event ev = {.events = EPOLLIN, .data.u32 = (__u32)old};

	if (old == port)
		return;
	if (old >= 0)
		epoll_ctl(dt->epoll, EPOLL_CTL_MOD, dt->config.ports[old].fd, &ev);
	ev = (struct epoll_event){.events = EPOLLIN | EPOLLOUT, .data.u32 = (__u32)port};
	if (port >= 0)
		epoll_ctl(dt->epoll, EPOLL_CTL_MOD, dt->config.ports[port].fd, &ev);
	dt->blocked_port = port;
}

static void settle(struct inlay_datathread *dt, const struct inlay_port_sent *sent)
{
	struct tx_burst *tx = &dt->tx;
	__u64 bytes = 0;

	for (size_t i = 0; i < sent->done; i++)
		bytes += tx->lens[tx->at + i];
	tx->at += sent->done;
	add(&dt->stats.tx_packets, sent->done - sent->failed);
	add(&dt->stats.tx_bytes, bytes);
	count(dt, INLAY_REASON_SEND_FAILED, sent->failed);
}

/* True: all of dt->tx is settled. */
static bool send_burst(struct inlay_datathread *dt)
{
	struct tx_burst *tx = &dt->tx;

	while (tx->at < tx->n) {
		__u16 port = tx->ports[tx->at];
		struct inlay_port_sent sent;

		inlay_port_udp_send(&dt->config.ports[port], tx->frames + tx->at, tx->lens + tx->at,
				    run_length(tx), &sent);
		settle(dt, &sent);
		if (sent.blocked) {
			add(&dt->stats.blocked, 1);
			wait_for_port(dt, port);
			return false;
		}
	}
	wait_for_port(dt, -1);
	if (tx->taken) {
		inlay_ring_release(dt->config.down, tx->taken);
		tx->taken = 0;
		add(&dt->stats.tx_bursts, 1);
	}
	return true;
}

static void transmit(struct inlay_datathread *dt)
{
	for (int i = 0; i < BURSTS_PER_TURN; i++)
		if (!send_burst(dt) || !take_burst(dt))
			return;
	send_burst(dt);
}

/* --- The loop ------------------------------------------------------------------------------ */

/* True: it is time to end. */
static bool turn(struct inlay_datathread *dt, int timeout_ms)
{
	struct epoll_event events[N_EVENTS];
	bool stop = false, signalled = false;
	int n;

	/* What is blocked waits for its socket, not for the ring. */
	if (dt->blocked_port < 0 && timeout_ms && !inlay_ring_consumer_sleep(dt->config.down))
		timeout_ms = 0;
	n = epoll_wait(dt->epoll, events, N_EVENTS, timeout_ms);
	for (int i = 0; i < n; i++) {
		signalled |= events[i].data.u32 == EVENT_DOWN_RING;
		stop |= events[i].data.u32 == EVENT_STOP;
	}
	inlay_ring_consumer_awake(dt->config.down, signalled);
	for (int i = 0; i < n; i++)
		if (events[i].data.u32 < dt->config.n_ports && events[i].events & ~EPOLLOUT)
			receive(dt, &dt->config.ports[events[i].data.u32]);
	transmit(dt);
	return stop;
}

void inlay_datathread_turn(struct inlay_datathread *dt, int timeout_ms)
{
	turn(dt, timeout_ms);
}

/* What the control thread said last, CONNECTION_CLOSE above all, still leaves. */
static void send_the_rest(struct inlay_datathread *dt)
{
	while (send_burst(dt) && take_burst(dt))
		;
}

static void *run(void *arg)
{
	struct inlay_datathread *dt = arg;

	while (!turn(dt, -1))
		;
	send_the_rest(dt);
	return NULL;
}

/* --- Life ---------------------------------------------------------------------------------- */

static int watch(struct inlay_datathread *dt, int fd, __u32 what)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.u32 = what};

	return epoll_ctl(dt->epoll, EPOLL_CTL_ADD, fd, &ev) ? -errno : 0;
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
	ret = watch(dt, dt->stop_fd, EVENT_STOP);
	if (!ret)
		ret = watch(dt, inlay_ring_fds(dt->config.down).data, EVENT_DOWN_RING);
	for (size_t i = 0; i < dt->config.n_ports && !ret; i++)
		ret = watch(dt, dt->config.ports[i].fd, (__u32)i);
	return ret;
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
	*dt = (struct inlay_datathread){
		.config = *config, .epoll = -1, .stop_fd = -1, .blocked_port = -1};
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
	free(dt->scratch[0]);
	free(dt);
}

void inlay_datathread_stats(const struct inlay_datathread *dt, struct inlay_datathread_stats *ret)
{
	const __u64 *from = (const __u64 *)&dt->stats;
	__u64 *to = (__u64 *)ret;

	for (size_t i = 0; i < sizeof(*ret) / sizeof(*to); i++)
		to[i] = inlay_load_u64(&from[i]);
}

void inlay_datathread_reasons(const struct inlay_datathread *dt, struct inlay_reason_counters *ret)
{
	for (size_t i = 0; i < INLAY_N_REASONS; i++)
		ret->count[i] = inlay_load_u64(&dt->reasons.count[i]);
}

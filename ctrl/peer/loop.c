/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The event loop of publisher and subscriber. A packet that ngtcp2 has written counts as sent, so
 * what the socket does not take at once waits in |out|, and nothing more is asked of the peer until
 * then.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "addr.h"
#include "loop.h"

#define BURST	     32
#define RECV_ROUNDS  8 /* bursts read before sending again: ACKs must not wait for ever */
#define SOCKET_BYTES (4 << 20)

struct burst {
	struct mmsghdr msgs[BURST];
	struct iovec vecs[BURST];
	__u8 bytes[BURST][INLAY_FRAME_MAX];
};

struct inlay_loop {
	const struct inlay_loop_ops *ops;
	void *user;
	struct inlay_peer *peer;
	struct inlay_path path;
	void (*on_readable)(void *user);
	int epoll, timer, signals, socket, watched;
	bool watched_always; /* a regular file: never waited for */
	bool stopped, interrupted, blocked;
	int error;
	unsigned int out_first, out_n;
	struct burst in, out;
};

inlay_ns inlay_loop_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (inlay_ns)ts.tv_sec * INLAY_S + (inlay_ns)ts.tv_nsec;
}

static int add_fd(struct inlay_loop *loop, int fd, __u32 events)
{
	struct epoll_event e = {.events = events, .data.fd = fd};

	return epoll_ctl(loop->epoll, EPOLL_CTL_ADD, fd, &e) ? -errno : 0;
}

static int open_fds(struct inlay_loop *loop)
{
	sigset_t set;
	int rv;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	if (sigprocmask(SIG_BLOCK, &set, NULL))
		return -errno;
	loop->epoll = epoll_create1(EPOLL_CLOEXEC);
	loop->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	loop->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (loop->epoll < 0 || loop->timer < 0 || loop->signals < 0)
		return -errno;
	rv = add_fd(loop, loop->timer, EPOLLIN);
	return rv ? rv : add_fd(loop, loop->signals, EPOLLIN);
}

int inlay_loop_new(const struct inlay_loop_ops *ops, void *user, struct inlay_loop **ret_loop)
{
	struct inlay_loop *loop = calloc(1, sizeof(*loop));
	unsigned int i;
	int rv;

	if (!loop)
		return -ENOMEM;
	loop->ops = ops;
	loop->user = user;
	loop->epoll = loop->timer = loop->signals = loop->socket = loop->watched = -1;
	for (i = 0; i < BURST; i++) {
		loop->in.vecs[i].iov_base = loop->in.bytes[i];
		loop->in.msgs[i].msg_hdr.msg_iov = &loop->in.vecs[i];
		loop->in.msgs[i].msg_hdr.msg_iovlen = 1;
		loop->out.vecs[i].iov_base = loop->out.bytes[i];
		loop->out.msgs[i].msg_hdr.msg_iov = &loop->out.vecs[i];
		loop->out.msgs[i].msg_hdr.msg_iovlen = 1;
	}
	rv = open_fds(loop);
	if (rv) {
		inlay_loop_free(loop);
		return rv;
	}
	*ret_loop = loop;
	return 0;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void inlay_loop_free(struct inlay_loop *loop)
{
	if (!loop)
		return;
	close_fd(&loop->epoll);
	close_fd(&loop->timer);
	close_fd(&loop->signals);
	close_fd(&loop->socket);
	free(loop);
}

int inlay_loop_connect(struct inlay_loop *loop, const struct inlay_addr *remote,
		       struct inlay_path *ret_path)
{
	int bytes = SOCKET_BYTES, probe = IP_PMTUDISC_PROBE;
	struct sockaddr_storage sa;
	socklen_t len = inlay_addr_to_sockaddr(remote, &sa);

	close_fd(&loop->socket);
	loop->out_n = 0;
	loop->blocked = false;
	loop->error = 0;
	loop->socket = socket(remote->family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (loop->socket < 0 || connect(loop->socket, (struct sockaddr *)&sa, len))
		return -errno;
	/* Never fragmented (RFC 9000 section 14); buffers as large as the kernel lets. */
	if (remote->family == AF_INET)
		setsockopt(loop->socket, IPPROTO_IP, IP_MTU_DISCOVER, &probe, sizeof(probe));
	else
		setsockopt(loop->socket, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &probe, sizeof(probe));
	setsockopt(loop->socket, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	setsockopt(loop->socket, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	len = sizeof(sa);
	if (getsockname(loop->socket, (struct sockaddr *)&sa, &len))
		return -errno;
	inlay_addr_from_sockaddr((struct sockaddr *)&sa, &loop->path.local);
	loop->path.remote = *remote;
	*ret_path = loop->path;
	return add_fd(loop, loop->socket, EPOLLIN | EPOLLOUT | EPOLLET);
}

void inlay_loop_set_peer(struct inlay_loop *loop, struct inlay_peer *peer)
{
	loop->peer = peer;
}

int inlay_loop_watch(struct inlay_loop *loop, int fd, void (*on_readable)(void *user))
{
	struct stat st;
	int rv = 0;

	if (loop->watched >= 0 && !loop->watched_always)
		epoll_ctl(loop->epoll, EPOLL_CTL_DEL, loop->watched, NULL);
	loop->watched = -1;
	loop->watched_always = false;
	if (!on_readable)
		return 0;
	/* epoll takes no regular files: they are readable always. */
	if (!fstat(fd, &st) && S_ISREG(st.st_mode))
		loop->watched_always = true;
	else
		rv = add_fd(loop, fd, EPOLLIN);
	if (rv)
		return rv;
	loop->watched = fd;
	loop->on_readable = on_readable;
	return 0;
}

/* Errors that ICMP messages leave on the socket. Before the handshake they say that nobody is
 * there; after it anybody may have sent them, and the idle timeout decides. */
static bool note_socket_error(struct inlay_loop *loop, int err)
{
	if (err == EAGAIN || err == EWOULDBLOCK || err == EINTR)
		return false;
	if (!inlay_peer_is_connected(loop->peer) && !inlay_peer_close_reason(loop->peer) &&
	    err != EMSGSIZE && err != ENOBUFS) {
		loop->error = -err;
		loop->stopped = true;
	}
	return true;
}

static void receive(struct inlay_loop *loop)
{
	unsigned int rounds, i;
	inlay_ns now;
	int n = BURST;

	for (rounds = 0; rounds < RECV_ROUNDS && n == BURST; rounds++) {
		for (i = 0; i < BURST; i++)
			loop->in.vecs[i].iov_len = INLAY_FRAME_MAX;
		n = recvmmsg(loop->socket, loop->in.msgs, BURST, MSG_DONTWAIT, NULL);
		if (n < 0) {
			note_socket_error(loop, errno);
			return;
		}
		now = inlay_loop_now();
		for (i = 0; i < (unsigned int)n; i++)
			inlay_peer_recv(loop->peer, &loop->path, loop->in.bytes[i],
					loop->in.msgs[i].msg_len, now);
	}
	/* The descriptor is edge-triggered, and there may be more: come back. */
	if (n == BURST) {
		struct epoll_event e = {.events = EPOLLIN | EPOLLOUT | EPOLLET,
					.data.fd = loop->socket};

		epoll_ctl(loop->epoll, EPOLL_CTL_MOD, loop->socket, &e);
	}
}

/* False: the socket takes no more for now. */
static bool send_burst(struct inlay_loop *loop)
{
	int n;

	while (loop->out_n) {
		n = sendmmsg(loop->socket, loop->out.msgs + loop->out_first, loop->out_n,
			     MSG_DONTWAIT);
		if (n < 0 && !note_socket_error(loop, errno)) {
			loop->blocked = true;
			return false;
		}
		/* One that the kernel refuses is lost, as others are on the way. */
		n = n < 0 ? 1 : n;
		loop->out_first += (unsigned int)n;
		loop->out_n -= (unsigned int)n;
	}
	return true;
}

static void send_all(struct inlay_loop *loop)
{
	size_t len;

	if (loop->blocked || !send_burst(loop))
		return;
	for (;;) {
		loop->out_first = 0;
		for (loop->out_n = 0; loop->out_n < BURST; loop->out_n++) {
			len = inlay_peer_send(loop->peer, loop->out.bytes[loop->out_n],
					      INLAY_FRAME_MAX, inlay_loop_now());
			if (!len)
				break;
			loop->out.vecs[loop->out_n].iov_len = len;
		}
		if (!loop->out_n || !send_burst(loop))
			return;
	}
}

static void arm_timer(struct inlay_loop *loop)
{
	inlay_ns at = inlay_peer_deadline(loop->peer), other = INLAY_NEVER;
	struct itimerspec spec = {0};

	if (loop->ops->deadline)
		other = loop->ops->deadline(loop->user);
	if (other < at)
		at = other;
	if (at != INLAY_NEVER) {
		if (!at)
			at = 1; /* 0 would disarm */
		spec.it_value.tv_sec = (time_t)(at / INLAY_S);
		spec.it_value.tv_nsec = (long)(at % INLAY_S);
	}
	timerfd_settime(loop->timer, TFD_TIMER_ABSTIME, &spec, NULL);
}

static void on_signal(struct inlay_loop *loop)
{
	struct signalfd_siginfo info;

	if (read(loop->signals, &info, sizeof(info)) != sizeof(info))
		return;
	if (loop->interrupted) {
		loop->error = -EINTR;
		loop->stopped = true;
		return;
	}
	loop->interrupted = true;
	if (loop->ops->on_interrupt)
		loop->ops->on_interrupt(loop->user);
	else
		loop->stopped = true;
}

static void wait_for_events(struct inlay_loop *loop)
{
	struct epoll_event events[8];
	__u64 ignored;
	int n, i;

	n = epoll_wait(loop->epoll, events, 8, loop->watched_always ? 0 : -1);
	for (i = 0; i < n; i++) {
		int fd = events[i].data.fd;

		if (fd == loop->timer) {
			if (read(loop->timer, &ignored, sizeof(ignored)) < 0)
				continue;
		} else if (fd == loop->signals) {
			on_signal(loop);
		} else if (fd == loop->socket) {
			if (events[i].events & EPOLLOUT)
				loop->blocked = false;
			if (events[i].events & (EPOLLIN | EPOLLERR))
				receive(loop);
		} else if (fd == loop->watched) {
			loop->on_readable(loop->user);
		}
	}
	if (loop->watched_always)
		loop->on_readable(loop->user);
}

int inlay_loop_run(struct inlay_loop *loop)
{
	loop->stopped = false;
	for (;;) {
		inlay_ns now = inlay_loop_now();

		if (inlay_peer_deadline(loop->peer) <= now)
			inlay_peer_on_timer(loop->peer, now);
		if (loop->ops->on_round)
			loop->ops->on_round(loop->user, now);
		send_all(loop);
		/* The close is on its way, or the other end closed: nothing is left to say. */
		if (loop->stopped || inlay_peer_close_reason(loop->peer))
			return loop->error;
		arm_timer(loop);
		wait_for_events(loop);
		if (loop->stopped && loop->error)
			return loop->error;
	}
}

void inlay_loop_stop(struct inlay_loop *loop)
{
	loop->stopped = true;
}

bool inlay_loop_interrupted(const struct inlay_loop *loop)
{
	return loop->interrupted;
}

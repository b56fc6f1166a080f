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
#include "driver.h"

#define BURST	     32
#define RECV_ROUNDS  8 /* bursts read before sending again: ACKs must not wait for ever */
#define SOCKET_BYTES (4 << 20)

struct burst {
	struct mmsghdr msgs[BURST];
	struct iovec vecs[BURST];
	__u8 bytes[BURST][INLAY_FRAME_MAX];
	/* Traffic class, both ways, of which two bits are ECN. */
	char control[BURST][CMSG_SPACE(sizeof(int))] __attribute__((aligned(8)));
};

struct inlay_driver {
	const struct inlay_driver_ops *ops;
	void *user;
	struct inlay_peer *peer;
	struct inlay_path path;
	int epoll, timer, signals, socket;
	struct watch {
		void (*on_readable)(void *user, int fd); /* NULL: free */
		int fd;
		bool always; /* a regular file: never waited for */
	} watches[INLAY_DRIVER_WATCHES];
	bool stopped, interrupted, blocked;
	int error;
	unsigned int out_first, out_n;
	struct burst in, out;
};

inlay_ns inlay_driver_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (inlay_ns)ts.tv_sec * INLAY_S + (inlay_ns)ts.tv_nsec;
}

static int add_fd(struct inlay_driver *d, int fd, __u32 events)
{
	struct epoll_event e = {.events = events, .data.fd = fd};

	return epoll_ctl(d->epoll, EPOLL_CTL_ADD, fd, &e) ? -errno : 0;
}

static int open_fds(struct inlay_driver *d)
{
	sigset_t set;
	int rv;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	if (sigprocmask(SIG_BLOCK, &set, NULL))
		return -errno;
	d->epoll = epoll_create1(EPOLL_CLOEXEC);
	d->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	d->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (d->epoll < 0 || d->timer < 0 || d->signals < 0)
		return -errno;
	rv = add_fd(d, d->timer, EPOLLIN);
	return rv ? rv : add_fd(d, d->signals, EPOLLIN);
}

int inlay_driver_new(const struct inlay_driver_ops *ops, void *user,
		     struct inlay_driver **ret_driver)
{
	struct inlay_driver *d = calloc(1, sizeof(*d));
	unsigned int i;
	int rv;

	if (!d)
		return -ENOMEM;
	d->ops = ops;
	d->user = user;
	d->epoll = d->timer = d->signals = d->socket = -1;
	for (i = 0; i < BURST; i++) {
		d->in.vecs[i].iov_base = d->in.bytes[i];
		d->in.msgs[i].msg_hdr.msg_iov = &d->in.vecs[i];
		d->in.msgs[i].msg_hdr.msg_iovlen = 1;
		d->out.vecs[i].iov_base = d->out.bytes[i];
		d->out.msgs[i].msg_hdr.msg_iov = &d->out.vecs[i];
		d->out.msgs[i].msg_hdr.msg_iovlen = 1;
	}
	rv = open_fds(d);
	if (rv) {
		inlay_driver_free(d);
		return rv;
	}
	*ret_driver = d;
	return 0;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void inlay_driver_free(struct inlay_driver *d)
{
	if (!d)
		return;
	close_fd(&d->epoll);
	close_fd(&d->timer);
	close_fd(&d->signals);
	close_fd(&d->socket);
	free(d);
}

int inlay_driver_connect(struct inlay_driver *d, const struct inlay_addr *remote,
			 struct inlay_path *ret_path)
{
	int bytes = SOCKET_BYTES, probe = IP_PMTUDISC_PROBE, on = 1;
	struct sockaddr_storage sa;
	socklen_t len = inlay_addr_to_sockaddr(remote, &sa);

	close_fd(&d->socket);
	d->out_n = 0;
	d->blocked = false;
	d->error = 0;
	d->socket = socket(remote->family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (d->socket < 0 || connect(d->socket, (struct sockaddr *)&sa, len))
		return -errno;
	/* Never fragmented (RFC 9000 section 14); buffers as large as the kernel lets. */
	if (remote->family == AF_INET) {
		setsockopt(d->socket, IPPROTO_IP, IP_MTU_DISCOVER, &probe, sizeof(probe));
		setsockopt(d->socket, IPPROTO_IP, IP_RECVTOS, &on, sizeof(on));
	} else {
		setsockopt(d->socket, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &probe, sizeof(probe));
		setsockopt(d->socket, IPPROTO_IPV6, IPV6_RECVTCLASS, &on, sizeof(on));
	}
	setsockopt(d->socket, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	setsockopt(d->socket, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	len = sizeof(sa);
	if (getsockname(d->socket, (struct sockaddr *)&sa, &len))
		return -errno;
	inlay_addr_from_sockaddr((struct sockaddr *)&sa, &d->path.local);
	d->path.remote = *remote;
	*ret_path = d->path;
	return add_fd(d, d->socket, EPOLLIN | EPOLLOUT | EPOLLET);
}

void inlay_driver_set_peer(struct inlay_driver *d, struct inlay_peer *peer)
{
	d->peer = peer;
}

/* NULL: there is none; for |fd| -1: no room for another one. */
static struct watch *find_watch(struct inlay_driver *d, int fd)
{
	unsigned int i;

	for (i = 0; i < INLAY_DRIVER_WATCHES; i++)
		if (fd < 0 ? !d->watches[i].on_readable
			   : d->watches[i].on_readable && d->watches[i].fd == fd)
			return &d->watches[i];
	return NULL;
}

int inlay_driver_watch(struct inlay_driver *d, int fd, void (*on_readable)(void *user, int fd))
{
	struct watch *w = find_watch(d, fd);
	struct stat st;
	int rv = 0;

	if (w && !w->always)
		epoll_ctl(d->epoll, EPOLL_CTL_DEL, fd, NULL);
	if (w)
		*w = (struct watch){0};
	if (!on_readable)
		return 0;
	w = find_watch(d, -1);
	if (!w)
		return -EMFILE;
	/* epoll takes no regular files: they are readable always. */
	w->always = !fstat(fd, &st) && S_ISREG(st.st_mode);
	if (!w->always)
		rv = add_fd(d, fd, EPOLLIN);
	if (rv)
		return rv;
	w->fd = fd;
	w->on_readable = on_readable;
	return 0;
}

/* Errors that ICMP messages leave on the socket. Before the handshake they say that nobody is
 * there; after it anybody may have sent them, and the idle timeout decides. */
static bool note_socket_error(struct inlay_driver *d, int err)
{
	if (err == EAGAIN || err == EWOULDBLOCK || err == EINTR)
		return false;
	if (!inlay_peer_is_connected(d->peer) && !inlay_peer_close_reason(d->peer) &&
	    err != EMSGSIZE && err != ENOBUFS) {
		d->error = -err;
		d->stopped = true;
	}
	return true;
}

/* How a datagram was marked. */
static __u8 mark_of(struct msghdr *m)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		int tclass;

		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS)
			return *CMSG_DATA(c) & INLAY_ECN_CE; /* one byte on receive */
		if (c->cmsg_level != IPPROTO_IPV6 || c->cmsg_type != IPV6_TCLASS)
			continue;
		memcpy(&tclass, CMSG_DATA(c), sizeof(tclass));
		return tclass & INLAY_ECN_CE;
	}
	return INLAY_ECN_NOT_ECT;
}

static void set_mark(const struct inlay_driver *d, struct msghdr *m, char *room, __u8 ecn)
{
	bool v4 = d->path.remote.family == AF_INET;
	int value = ecn;
	struct cmsghdr *c;

	m->msg_control = NULL;
	m->msg_controllen = 0;
	if (ecn == INLAY_ECN_NOT_ECT)
		return;
	m->msg_control = room;
	m->msg_controllen = CMSG_SPACE(sizeof(value));
	c = CMSG_FIRSTHDR(m);
	c->cmsg_level = v4 ? IPPROTO_IP : IPPROTO_IPV6;
	c->cmsg_type = v4 ? IP_TOS : IPV6_TCLASS;
	c->cmsg_len = CMSG_LEN(sizeof(value));
	memcpy(CMSG_DATA(c), &value, sizeof(value));
}

static void receive(struct inlay_driver *d)
{
	unsigned int rounds, i;
	inlay_ns now;
	int n = BURST;

	for (rounds = 0; rounds < RECV_ROUNDS && n == BURST; rounds++) {
		for (i = 0; i < BURST; i++) {
			d->in.vecs[i].iov_len = INLAY_FRAME_MAX;
			d->in.msgs[i].msg_hdr.msg_control = d->in.control[i];
			d->in.msgs[i].msg_hdr.msg_controllen = sizeof(d->in.control[i]);
		}
		n = recvmmsg(d->socket, d->in.msgs, BURST, MSG_DONTWAIT, NULL);
		if (n < 0) {
			note_socket_error(d, errno);
			return;
		}
		now = inlay_driver_now();
		for (i = 0; i < (unsigned int)n; i++) {
			inlay_peer_set_mark(d->peer, mark_of(&d->in.msgs[i].msg_hdr));
			inlay_peer_recv(d->peer, &d->path, d->in.bytes[i], d->in.msgs[i].msg_len,
					now);
		}
	}
	/* The descriptor is edge-triggered, and there may be more: come back. */
	if (n == BURST) {
		struct epoll_event e = {.events = EPOLLIN | EPOLLOUT | EPOLLET,
					.data.fd = d->socket};

		epoll_ctl(d->epoll, EPOLL_CTL_MOD, d->socket, &e);
	}
}

/* False: the socket takes no more for now. */
static bool send_burst(struct inlay_driver *d)
{
	int n;

	while (d->out_n) {
		n = sendmmsg(d->socket, d->out.msgs + d->out_first, d->out_n, MSG_DONTWAIT);
		if (n < 0 && !note_socket_error(d, errno)) {
			d->blocked = true;
			return false;
		}
		/* One that the kernel refuses is lost, as others are on the way. */
		n = n < 0 ? 1 : n;
		d->out_first += (unsigned int)n;
		d->out_n -= (unsigned int)n;
	}
	return true;
}

static void send_all(struct inlay_driver *d)
{
	size_t len;

	if (d->blocked || !send_burst(d))
		return;
	for (;;) {
		d->out_first = 0;
		for (d->out_n = 0; d->out_n < BURST; d->out_n++) {
			len = inlay_peer_send(d->peer, d->out.bytes[d->out_n], INLAY_FRAME_MAX,
					      inlay_driver_now());
			if (!len)
				break;
			d->out.vecs[d->out_n].iov_len = len;
			set_mark(d, &d->out.msgs[d->out_n].msg_hdr, d->out.control[d->out_n],
				 inlay_peer_mark(d->peer));
		}
		if (!d->out_n || !send_burst(d))
			return;
	}
}

static void arm_timer(struct inlay_driver *d)
{
	inlay_ns at = inlay_peer_deadline(d->peer), other = INLAY_NEVER;
	struct itimerspec spec = {0};

	if (d->ops->deadline)
		other = d->ops->deadline(d->user);
	if (other < at)
		at = other;
	if (at != INLAY_NEVER) {
		if (!at)
			at = 1; /* 0 would disarm */
		spec.it_value.tv_sec = (time_t)(at / INLAY_S);
		spec.it_value.tv_nsec = (long)(at % INLAY_S);
	}
	timerfd_settime(d->timer, TFD_TIMER_ABSTIME, &spec, NULL);
}

static void on_signal(struct inlay_driver *d)
{
	struct signalfd_siginfo info;

	if (read(d->signals, &info, sizeof(info)) != sizeof(info))
		return;
	if (d->interrupted) {
		d->error = -EINTR;
		d->stopped = true;
		return;
	}
	d->interrupted = true;
	if (d->ops->on_interrupt)
		d->ops->on_interrupt(d->user);
	else
		d->stopped = true;
}

static bool watches_file(const struct inlay_driver *d)
{
	unsigned int i;

	for (i = 0; i < INLAY_DRIVER_WATCHES; i++)
		if (d->watches[i].always)
			return true;
	return false;
}

static void wait_for_events(struct inlay_driver *d)
{
	struct epoll_event events[8];
	__u64 ignored;
	struct watch *w;
	int n, i;

	n = epoll_wait(d->epoll, events, 8, watches_file(d) ? 0 : -1);
	for (i = 0; i < n; i++) {
		int fd = events[i].data.fd;

		if (fd == d->timer) {
			if (read(d->timer, &ignored, sizeof(ignored)) < 0)
				continue;
		} else if (fd == d->signals) {
			on_signal(d);
		} else if (fd == d->socket) {
			if (events[i].events & EPOLLOUT)
				d->blocked = false;
			if (events[i].events & (EPOLLIN | EPOLLERR))
				receive(d);
		} else if ((w = find_watch(d, fd)) != NULL) {
			w->on_readable(d->user, fd);
		}
	}
	for (i = 0; i < INLAY_DRIVER_WATCHES; i++)
		if (d->watches[i].always)
			d->watches[i].on_readable(d->user, d->watches[i].fd);
}

int inlay_driver_run(struct inlay_driver *d)
{
	d->stopped = false;
	for (;;) {
		inlay_ns now = inlay_driver_now();

		if (inlay_peer_deadline(d->peer) <= now)
			inlay_peer_on_timer(d->peer, now);
		if (d->ops->on_round)
			d->ops->on_round(d->user, now);
		send_all(d);
		/* The close is on its way, or the other end closed: nothing is left to say. */
		if (d->stopped || inlay_peer_close_reason(d->peer))
			return d->error;
		arm_timer(d);
		wait_for_events(d);
		if (d->stopped && d->error)
			return d->error;
	}
}

void inlay_driver_stop(struct inlay_driver *d)
{
	d->stopped = true;
}

bool inlay_driver_interrupted(const struct inlay_driver *d)
{
	return d->interrupted;
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include "relay_floor.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

#define MOST	64   /* subscribers, and datagrams that one call takes */
#define PACKET	1232 /* bytes, as the relay's */
#define SAMPLES (1 << 20)
#define SETTLE	(50 * INLAY_MS)

struct relay_floor {
	pid_t pid;
	unsigned int n;
	int publisher, subscribers[MOST];
	struct sockaddr_in relay;
	float *delays;
};

static int open_socket(struct sockaddr_in *ret_name)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), bytes = 4 << 20;
	socklen_t len = sizeof(*ret_name);

	*ret_name = (struct sockaddr_in){.sin_family = AF_INET,
					 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	if (fd < 0 || bind(fd, (struct sockaddr *)ret_name, len) ||
	    getsockname(fd, (struct sockaddr *)ret_name, &len))
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	return fd;
}

/* --- The process that forwards ---------------------------------------------------------------- */

struct outgoing {
	struct mmsghdr msgs[MOST * MOST];
	char control[CMSG_SPACE(sizeof(__u16))] __attribute__((aligned(8)));
};

static struct msghdr *to(struct sockaddr_in *name, struct iovec *iov, size_t n, struct mmsghdr *m)
{
	m->msg_hdr = (struct msghdr){
		.msg_name = name, .msg_namelen = sizeof(*name), .msg_iov = iov, .msg_iovlen = n};
	return &m->msg_hdr;
}

/* Packets of one size but for a shorter last, of which one message may consist. */
static size_t alike(const struct iovec *iov, size_t n)
{
	size_t k = 1;

	while (k < n && k < 50 && iov[k].iov_len <= iov[0].iov_len)
		if (iov[k++].iov_len < iov[0].iov_len)
			break;
	return k;
}

static void set_segment(struct outgoing *o, struct msghdr *m, size_t bytes)
{
	struct cmsghdr *c = (struct cmsghdr *)o->control;
	__u16 segment = (__u16)bytes;

	c->cmsg_level = SOL_UDP;
	c->cmsg_type = UDP_SEGMENT;
	c->cmsg_len = CMSG_LEN(sizeof(segment));
	memcpy(CMSG_DATA(c), &segment, sizeof(segment));
	m->msg_control = o->control;
	m->msg_controllen = sizeof(o->control);
}

static void send_out(int fd, struct mmsghdr *msgs, size_t n)
{
	struct pollfd p = {.fd = fd, .events = POLLOUT};

	while (n) {
		int sent = sendmmsg(fd, msgs, (unsigned int)n, 0);

		if (sent <= 0) {
			poll(&p, 1, 1);
			continue;
		}
		msgs += sent;
		n -= (size_t)sent;
	}
}

static void fan_out(int fd, struct outgoing *o, struct sockaddr_in *names, size_t n_names,
		    struct iovec *iov, size_t n, bool gso)
{
	for (size_t at = 0, count; at < n; at += count) {
		size_t used = 0;

		count = gso ? alike(iov + at, n - at) : 1;
		for (size_t i = 0; i < n_names; i++) {
			struct msghdr *m = to(&names[i], iov + at, count, &o->msgs[used++]);

			if (count > 1)
				set_segment(o, m, iov[at].iov_len);
		}
		send_out(fd, o->msgs, used);
	}
}

void relay_floor_forward(int fd, struct sockaddr_in *names, size_t n_names, bool gso)
{
	static __u8 data[MOST][2048];
	static struct outgoing o;
	struct mmsghdr msgs[MOST];
	struct iovec iov[MOST];
	struct pollfd p = {.fd = fd, .events = POLLIN};

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		int got;

		for (size_t i = 0; i < MOST; i++) {
			iov[i] = (struct iovec){data[i], sizeof(data[i])};
			to(NULL, &iov[i], 1, &msgs[i])->msg_namelen = 0;
		}
		got = recvmmsg(fd, msgs, MOST, MSG_DONTWAIT, NULL);
		if (got <= 0) {
			poll(&p, 1, -1);
			continue;
		}
		for (int i = 0; i < got; i++)
			iov[i].iov_len = msgs[i].msg_len;
		fan_out(fd, &o, names, n_names, iov, (size_t)got, gso);
	}
}

/* --- Its load --------------------------------------------------------------------------------- */

struct relay_floor *relay_floor_new(unsigned int subscribers, bool gso)
{
	struct relay_floor *f = calloc(1, sizeof(*f));
	struct sockaddr_in names[MOST], ignored;
	int fd;

	if (!f || subscribers > MOST) {
		free(f);
		return NULL;
	}
	f->n = subscribers;
	f->delays = calloc(SAMPLES, sizeof(*f->delays));
	f->publisher = open_socket(&ignored);
	for (unsigned int i = 0; i < subscribers; i++)
		f->subscribers[i] = open_socket(&names[i]);
	fd = open_socket(&f->relay);
	f->pid = fd < 0 || !f->delays ? -1 : fork();
	if (f->pid == 0)
		relay_floor_forward(fd, names, subscribers, gso);
	if (fd >= 0)
		close(fd);
	if (f->pid > 0)
		return f;
	fprintf(stderr, "relay: %s\n", strerror(errno));
	relay_floor_free(f);
	return NULL;
}

pid_t relay_floor_pid(const struct relay_floor *f)
{
	return f->pid;
}

static void publish(struct relay_floor *f, size_t bytes)
{
	__u8 packet[PACKET] = {0};

	while (bytes) {
		size_t len = bytes + 40 < PACKET ? bytes + 40 : PACKET; /* as QUIC would add */
		inlay_ns now = bench_now();

		memcpy(packet, &now, sizeof(now));
		sendto(f->publisher, packet, len, 0, (struct sockaddr *)&f->relay,
		       sizeof(f->relay));
		bytes -= len - 40;
	}
}

static void collect(struct relay_floor *f, struct relay_seen *seen, size_t *n_delays,
		    int timeout_ms)
{
	struct pollfd p[MOST];
	__u8 data[2048];
	inlay_ns sent_at;

	for (unsigned int i = 0; i < f->n; i++)
		p[i] = (struct pollfd){.fd = f->subscribers[i], .events = POLLIN};
	if (poll(p, f->n, timeout_ms) <= 0)
		return;
	for (unsigned int i = 0; i < f->n; i++) {
		ssize_t len;

		while (p[i].revents && (len = recv(p[i].fd, data, sizeof(data), 0)) > 0) {
			seen->packets++;
			seen->bytes += (__u64)len;
			memcpy(&sent_at, data, sizeof(sent_at));
			if (*n_delays < SAMPLES)
				f->delays[(*n_delays)++] =
					(float)(bench_now() - sent_at) / (float)INLAY_US;
		}
	}
}

void relay_floor_run(struct relay_floor *f, const struct relay_pattern *p, inlay_ns duration,
		     struct relay_seen *ret_seen)
{
	inlay_ns begin = bench_now(), pause = INLAY_S / p->per_second, now, until;
	struct relay_seen seen = {0};
	__u64 n = duration / pause;
	size_t n_delays = 0;

	for (__u64 i = 0; i <= n; i++) {
		until = begin + i * pause + (i == n ? SETTLE : 0);
		while ((now = bench_now()) < until)
			collect(f, &seen, &n_delays, (int)((until - now) / INLAY_MS));
		if (i < n)
			publish(f, i % p->key_every ? p->object_bytes : p->key_bytes);
	}
	seen.seconds = (double)(n * pause) / INLAY_S;
	seen.p50_us = bench_quantile(f->delays, n_delays, 0.5);
	seen.p99_us = bench_quantile(f->delays, n_delays, 0.99);
	*ret_seen = seen;
}

void relay_floor_free(struct relay_floor *f)
{
	if (!f)
		return;
	if (f->pid > 0) {
		kill(f->pid, SIGKILL);
		waitpid(f->pid, NULL, 0);
	}
	close(f->publisher);
	for (unsigned int i = 0; i < f->n; i++)
		close(f->subscribers[i]);
	free(f->delays);
	free(f);
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include "relay_peers.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

#define GLANCE	(10 * INLAY_MS) /* how often a child looks for commands */
#define WANTED	(5 * INLAY_S)	/* until somebody is subscribed */
#define AROUND	56		/* bytes that QUIC and MoQ add to an object, about */
#define BUFFER	(4 << 20)
#define LONGEST 2048

enum command {
	PUBLISH,
	SEEN,
	STOP,
};

struct message {
	enum command command;
	struct relay_pattern pattern; /* its name means nothing in another process */
	__u64 objects;
};

/* The child's view. */
struct child {
	const struct relay_peer_config *config;
	int fd;
	struct relay_load *load;		  /* of a relay */
	int sockets[RELAY_FLOOR_MOST], n_sockets; /* of the floor */
	struct sockaddr_in names[RELAY_FLOOR_MOST];
	struct relay_seen seen;
};

/* --- Plain datagrams -------------------------------------------------------------------------- */

static struct sockaddr_in name_of(const struct inlay_addr *a, __u16 port)
{
	struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(port)};

	memcpy(&name.sin_addr, a->ip, sizeof(name.sin_addr));
	return name;
}

static int open_plain(struct child *c)
{
	int n = c->config->side == RELAY_PUBLISHER ? 1 : (int)c->config->subscribers;
	int bytes = BUFFER;

	for (int i = 0; i < n; i++) {
		socklen_t len = sizeof(c->names[i]);
		int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

		c->names[i] = name_of(&c->config->net->peer[c->config->side], 0);
		if (fd < 0 || bind(fd, (struct sockaddr *)&c->names[i], len) ||
		    getsockname(fd, (struct sockaddr *)&c->names[i], &len))
			return -errno;
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
		c->sockets[c->n_sockets++] = fd;
	}
	return 0;
}

static void sleep_until(inlay_ns when)
{
	struct timespec at = {(time_t)(when / INLAY_S), (long)(when % INLAY_S)};

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
}

static int publish_plain(struct child *c, const struct message *m)
{
	struct sockaddr_in to = name_of(&c->config->net->relay[RELAY_PUBLISHER], c->config->port);
	static const __u8 data[LONGEST];
	inlay_ns begin = bench_now();

	for (__u64 i = 0; i < m->objects; i++) {
		sleep_until(begin + relay_pattern_time(&m->pattern, i));
		if (sendto(c->sockets[0], data, relay_pattern_bytes(&m->pattern, i) + AROUND, 0,
			   (struct sockaddr *)&to, sizeof(to)) < 0)
			return -errno;
	}
	sleep_until(begin + relay_pattern_time(&m->pattern, m->objects));
	return 0;
}

static void receive_plain(struct child *c)
{
	struct pollfd p[RELAY_FLOOR_MOST];
	__u8 data[LONGEST];
	ssize_t len;

	for (int i = 0; i < c->n_sockets; i++)
		p[i] = (struct pollfd){.fd = c->sockets[i], .events = POLLIN};
	if (poll(p, (nfds_t)c->n_sockets, (int)(GLANCE / INLAY_MS)) <= 0)
		return;
	for (int i = 0; i < c->n_sockets; i++)
		while (p[i].revents && (len = recv(p[i].fd, data, sizeof(data), 0)) > 0) {
			c->seen.packets++;
			c->seen.bytes += (__u64)len;
			c->seen.objects++;
		}
}

/* --- QUIC ------------------------------------------------------------------------------------- */

static int open_quic(struct child *c)
{
	enum relay_side side = c->config->side;
	struct relay_load_config config = {
		.relay = c->config->net->relay[side],
		.local = c->config->net->peer[side],
		.publisher = side == RELAY_PUBLISHER,
		.subscribers = side == RELAY_PUBLISHER ? 0 : c->config->subscribers,
		.sleeps = true,
	};

	config.relay.port = htons(c->config->port);
	c->load = relay_load_new(&config);
	return c->load ? 0 : -EIO;
}

static int publish_quic(struct child *c, const struct message *m)
{
	inlay_ns limit = bench_now() + WANTED;
	struct relay_seen seen;

	while (!relay_load_is_wanted(c->load) && bench_now() < limit)
		relay_load_idle(c->load, bench_now() + INLAY_MS);
	if (!relay_load_is_wanted(c->load))
		return -EIO;
	relay_load_run(c->load, &m->pattern, m->objects * (INLAY_S / m->pattern.per_second), &seen);
	return seen.failed ? -EIO : 0;
}

/* --- The child -------------------------------------------------------------------------------- */

static int obey(struct child *c, const struct message *m)
{
	int ret = 0;

	if (m->command == PUBLISH) {
		ret = c->load ? publish_quic(c, m) : publish_plain(c, m);
		return send(c->fd, &ret, sizeof(ret), 0) < 0 ? -errno : 0;
	}
	if (m->command == SEEN) {
		if (c->load) {
			relay_load_seen(c->load, &c->seen);
			relay_load_reset(c->load);
		}
		ret = send(c->fd, &c->seen, sizeof(c->seen), 0) < 0 ? -errno : 0;
		c->seen = (struct relay_seen){0};
		return ret;
	}
	return -ESHUTDOWN;
}

static void work(struct child *c)
{
	struct message m;

	for (;;) {
		ssize_t n = recv(c->fd, &m, sizeof(m), MSG_DONTWAIT);

		if (n == 0 || (n == sizeof(m) && obey(c, &m)))
			return;
		if (c->load)
			relay_load_idle(c->load, bench_now() + GLANCE);
		else if (c->config->side == RELAY_SUBSCRIBERS)
			receive_plain(c);
		else
			poll(NULL, 0, GLANCE / INLAY_MS);
	}
}

static void live(const struct relay_peer_config *config, int fd)
{
	struct child c = {.config = config, .fd = fd};
	struct relay_peer_ready ready = {0};

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_TIMERSLACK, 1);
	prctl(PR_SET_NAME, config->side == RELAY_PUBLISHER ? "publisher" : "subscribers");
	sched_setaffinity(0, sizeof(config->cpus), &config->cpus);
	ready.ok = !relay_net_enter(config->net, config->side) &&
		   !(config->floor ? open_plain(&c) : open_quic(&c));
	memcpy(ready.names, c.names, sizeof(ready.names));
	if (send(fd, &ready, sizeof(ready), 0) > 0 && ready.ok)
		work(&c);
	relay_load_free(c.load);
	_exit(!ready.ok);
}

/* --- The parent ------------------------------------------------------------------------------- */

static int hear(const struct relay_peer *p, void *answer, size_t len)
{
	return recv(p->fd, answer, len, 0) == (ssize_t)len ? 0 : -EIO;
}

int relay_peer_start(struct relay_peer *p, const struct relay_peer_config *config,
		     struct relay_peer_ready *ret_ready)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds))
		return -errno;
	p->pid = fork();
	if (p->pid == 0) {
		close(fds[0]);
		live(config, fds[1]);
	}
	close(fds[1]);
	p->fd = fds[0];
	if (p->pid < 0 || hear(p, ret_ready, sizeof(*ret_ready)) || !ret_ready->ok) {
		fprintf(stderr, "bench: the %s cannot start\n",
			config->side == RELAY_PUBLISHER ? "publisher" : "subscribers");
		return -EIO;
	}
	return 0;
}

int relay_peer_publish(const struct relay_peer *p, const struct relay_pattern *pattern,
		       __u64 objects)
{
	struct message m = {.command = PUBLISH, .pattern = *pattern, .objects = objects};
	int ret;

	if (send(p->fd, &m, sizeof(m), MSG_NOSIGNAL) < 0 || hear(p, &ret, sizeof(ret)))
		return -EIO;
	return ret;
}

int relay_peer_seen(const struct relay_peer *p, struct relay_seen *ret_seen)
{
	struct message m = {.command = SEEN};

	return send(p->fd, &m, sizeof(m), MSG_NOSIGNAL) < 0 ? -EIO
							    : hear(p, ret_seen, sizeof(*ret_seen));
}

void relay_peer_stop(struct relay_peer *p)
{
	struct message m = {.command = STOP};
	bool gone = false;

	if (p->pid <= 0)
		return;
	(void)!send(p->fd, &m, sizeof(m), MSG_NOSIGNAL);
	for (int i = 0; i < 200 && !gone; i++) {
		gone = waitpid(p->pid, NULL, WNOHANG) != 0;
		if (!gone)
			poll(NULL, 0, 10);
	}
	if (!gone) {
		kill(p->pid, SIGKILL);
		waitpid(p->pid, NULL, 0);
	}
	close(p->fd);
	*p = (struct relay_peer){0};
}

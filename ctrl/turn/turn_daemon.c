/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <unistd.h>

#include "address.h"
#include "turn_daemon_impl.h"

/* So that the library's heartbeat never waits for something else. */
#define TURN_EVERY (200 * INLAY_MS)
#define DRAINED	   256 /* turns: more than a full ring takes */

/* --- On and off ------------------------------------------------------------------------------- */

const char *inlay_turn_daemon_mode_name(enum inlay_turn_mode mode)
{
	static const char *const names[] = {"off", "observe", "relay"};

	return names[mode];
}

static void turn_ready(void *user, __u32 events)
{
	/* The loop's owner calls inlay_turn_turn() after every wake-up. */
}

/* In a folder where it was built, the programs lie beside this one. NULL: as installed. */
static const char *find_object(const struct inlay_turn_options *o, char *path, size_t room)
{
	static const char beside[] = "bpf/turn.bpf.o";
	ssize_t len;

	if (*o->object)
		return o->object;
	len = readlink("/proc/self/exe", path, room - sizeof(beside));
	while (len > 0 && path[len - 1] != '/')
		len--;
	if (len <= 0)
		return NULL;
	memcpy(path + len, beside, sizeof(beside));
	return access(path, R_OK) ? NULL : path;
}

static int open_turn(struct inlay_turn_daemon *d, char *error, size_t room)
{
	const struct inlay_turn_options *o = &d->options;
	const char *interfaces[INLAY_TURN_INTERFACES];
	char path[PATH_MAX];
	const struct inlay_turn_config config = {
		.object = find_object(o, path, sizeof(path)),
		.interfaces = o->n_interfaces ? interfaces : NULL,
		.n_interfaces = o->n_interfaces,
		.attach = (enum inlay_turn_attach)o->attach,
		.mode = d->mode,
		.ports = o->ports,
		.n_ports = o->n_ports,
		.denied = o->denied,
		.n_denied = o->n_denied,
		.max_flows = (__u32)o->limits.channels,
		.max_allocations = (__u32)o->limits.allocations,
	};

	for (__u32 i = 0; i < o->n_interfaces; i++)
		interfaces[i] = o->interfaces[i];
	*error = '\0';
	return inlay_turn_open(&config, &d->turn, error, room);
}

static int start_learning(struct inlay_turn_daemon *d)
{
	const struct inlay_turn_options *o = &d->options;
	struct inlay_turn_learner_config config = {
		.ops = &inlay_turn_daemon_ops,
		.user = d,
		.channel_lifetime = (inlay_ns)o->lifetimes.channel_s * INLAY_S,
		.permission_lifetime = (inlay_ns)o->lifetimes.permission_s * INLAY_S,
		.max_packets_per_s = (__u32)o->limits.packets_per_s,
		.max_bytes_per_s = (__u32)o->limits.bytes_per_s,
		.max_allocations = (__u32)o->limits.allocations,
		.max_transactions = (__u32)o->limits.transactions,
		.ports = o->ports,
		.n_ports = o->n_ports,
	};
	struct inlay_turn_listener listener = inlay_turn_daemon_listener;
	int ret;

	/* Strangers choose what its tables are searched by. */
	if (getrandom(config.hash_key, sizeof(config.hash_key), 0) != sizeof(config.hash_key))
		return -EIO;
	ret = inlay_turn_learner_new(&config, &d->learner);
	if (ret)
		return ret;
	d->watch = (struct inlay_watch){inlay_turn_fd(d->turn), turn_ready, NULL};
	ret = inlay_loop_watch(d->loop, &d->watch, EPOLLIN);
	if (ret)
		return ret;
	d->watch.user = d; /* it is watched */
	listener.user = d;
	return inlay_turn_listen(d->turn, &listener);
}

static int start(struct inlay_turn_daemon *d, char *error, size_t room)
{
	int ret = open_turn(d, error, room);

	if (ret) {
		d->turn = NULL;
		if (!*error)
			snprintf(error, room, "%s", strerror(-ret));
		return ret;
	}
	ret = start_learning(d);
	if (ret)
		snprintf(error, room, "%s%s", strerror(-ret),
			 ret == -EPROTONOSUPPORT || ret == -ENOENT
				 ? ": this kernel does not tell of sockets that are closed; "
				   "load or build udp_diag (CONFIG_INET_UDP_DIAG)"
				 : "");
	return ret;
}

void inlay_turn_daemon_set_mode(struct inlay_turn_daemon *d, enum inlay_turn_mode mode)
{
	inlay_ns now = inlay_loop_now();

	/* What the server said before it is switched on may not hold any more: it was not heard
	 * meanwhile. */
	for (int i = 0; d->mode == INLAY_TURN_OFF && i < DRAINED; i++)
		if (inlay_turn_turn(d->turn, now) > now)
			break;
	if (d->mode == INLAY_TURN_OFF || mode == INLAY_TURN_OFF)
		inlay_turn_learner_reset(d->learner, now);
	inlay_turn_set_mode(d->turn, mode);
	d->mode = mode;
}

bool inlay_turn_daemon_is_reason(__u32 reason)
{
	return !strncmp(inlay_reason_name(reason), "TURN_", 5);
}

/* --- Making ----------------------------------------------------------------------------------- */

/* By its name, as ip-netns(8) keeps it, or by a path. */
static int enter_namespace(const struct inlay_turn_options *o, struct inlay_failure *f)
{
	char path[INLAY_TURN_TEXT + 16];
	int fd, ret;

	if (!*o->netns)
		return 0;
	snprintf(path, sizeof(path), strchr(o->netns, '/') ? "%s" : "/run/netns/%s", o->netns);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return inlay_fail(f, INLAY_EXIT_CONFIG,
				  "network namespace %s: %s; `ip netns` lists them", path,
				  strerror(errno));
	ret = setns(fd, CLONE_NEWNET);
	if (ret)
		inlay_fail(f, INLAY_EXIT_FAILED, "network namespace %s: %s%s", path,
			   strerror(errno),
			   errno == EPERM ? "; entering one wants CAP_SYS_ADMIN" : "");
	close(fd);
	return ret;
}

/* Listens where the daemon was started, not in the server's namespace. */
static int listen_for_metrics(const struct inlay_turn_options *o, int *ret_fd,
			      struct inlay_failure *f)
{
	struct inlay_addr addr;
	int ret;

	*ret_fd = -1;
	if (!*o->metrics)
		return 0;
	ret = inlay_address_parse(o->metrics, &addr);
	if (!ret)
		ret = inlay_turn_metrics_listen(&addr, ret_fd);
	if (ret)
		return inlay_fail(f, INLAY_EXIT_FAILED, "metrics: %s: %s", o->metrics,
				  strerror(-ret));
	return 0;
}

static int open_control(struct inlay_turn_daemon *d, struct inlay_failure *f)
{
	const char *path = d->options.control_socket;
	int ret = inlay_control_new(d->loop, path, inlay_turn_daemon_commands, d, &d->control);

	if (ret == -EADDRINUSE)
		return inlay_fail(f, INLAY_EXIT_FAILED,
				  "control_socket: another inlay-turn answers at %s", path);
	if (ret == -EEXIST)
		return inlay_fail(f, INLAY_EXIT_FAILED,
				  "control_socket: %s is there, and is no socket", path);
	if (ret)
		return inlay_fail(f, INLAY_EXIT_FAILED, "control_socket: %s: %s", path,
				  strerror(-ret));
	return 0;
}

static int set_up(struct inlay_turn_daemon *d, struct inlay_failure *f)
{
	int metrics_fd, ret = inlay_loop_new(&d->loop);

	if (ret)
		return inlay_fail(f, INLAY_EXIT_FAILED, "event loop: %s", strerror(-ret));
	if (listen_for_metrics(&d->options, &metrics_fd, f))
		return -1;
	if (metrics_fd >= 0) {
		ret = inlay_turn_metrics_new(d->loop, metrics_fd, d, &d->metrics);
		if (ret)
			return inlay_fail(f, INLAY_EXIT_FAILED, "metrics: %s", strerror(-ret));
	}
	if (enter_namespace(&d->options, f))
		return -1;
	ret = start(d, f->text, sizeof(f->text));
	if (ret) {
		f->exit_code = INLAY_EXIT_FAILED;
		return ret;
	}
	/* Last: who can connect finds everything in place. */
	return open_control(d, f);
}

struct inlay_turn_daemon *inlay_turn_daemon_new(const struct inlay_turn_options *options,
						struct inlay_failure *ret_failure)
{
	struct inlay_turn_daemon *d = calloc(1, sizeof(*d));

	if (!d) {
		inlay_fail(ret_failure, INLAY_EXIT_FAILED, "out of memory");
		return NULL;
	}
	d->options = *options;
	d->mode = options->observe ? INLAY_TURN_OBSERVE : INLAY_TURN_RELAY;
	d->started = inlay_loop_now();
	if (set_up(d, ret_failure)) {
		inlay_turn_daemon_free(d);
		return NULL;
	}
	return d;
}

void inlay_turn_daemon_free(struct inlay_turn_daemon *d)
{
	if (!d)
		return;
	if (d->watch.user)
		inlay_loop_unwatch(d->loop, &d->watch);
	inlay_turn_learner_free(d->learner);
	inlay_turn_close(d->turn);
	inlay_control_free(d->control);
	inlay_turn_metrics_free(d->metrics);
	inlay_loop_free(d->loop);
	free(d);
}

static void log_link(void *user, const struct inlay_turn_link_info *info)
{
	inlay_log(INLAY_LOG_INFO, "%s: %s%s%s", info->name, info->ingress, info->why ? "; " : "",
		  info->why ? info->why : "");
}

/* --- Running ---------------------------------------------------------------------------------- */

static inlay_ns earlier(inlay_ns a, inlay_ns b)
{
	return a < b ? a : b;
}

/* What is due. Returns when something is, next. */
static inlay_ns turn(struct inlay_turn_daemon *d)
{
	inlay_ns now = inlay_loop_now(),
		 next = earlier(inlay_turn_turn(d->turn, now), now + TURN_EVERY);

	next = earlier(next, inlay_turn_learner_turn(d->learner, now));
	if (d->metrics)
		next = earlier(next, inlay_turn_metrics_turn(d->metrics, now));
	return next;
}

void inlay_turn_daemon_run(struct inlay_turn_daemon *d)
{
	inlay_turn_links(d->turn, log_link, NULL);
	inlay_log(INLAY_LOG_INFO, "mode %s, control socket %s",
		  inlay_turn_daemon_mode_name(d->mode), d->options.control_socket);
	while (!inlay_loop_signals(d->loop))
		inlay_loop_turn(d->loop, turn(d));
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include "relay_net.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* The last byte is 1 for the relay, 2 for the peer. */
static const struct {
	const char *near, *far, *net;
	__u8 ip[3];
} sides[RELAY_SIDES] = {
	[RELAY_PUBLISHER] = {RELAY_NET_IN, RELAY_NET_PUBLISHER, "10.77.1", {10, 77, 1}},
	[RELAY_SUBSCRIBERS] = {RELAY_NET_OUT, RELAY_NET_SUBSCRIBERS, "10.77.2", {10, 77, 2}},
};

int relay_net_run(const char *format, ...)
{
	char command[300];
	va_list args;
	int ret;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	ret = system(command);
	if (ret)
		fprintf(stderr, "bench: this failed: %s\n", command);
	return ret ? -EIO : 0;
}

/* Sleeps in a namespace of its own; |ready| is closed once it is there. */
static void hold(int ready)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (unshare(CLONE_NEWNET))
		_exit(1);
	(void)!write(ready, "", 1);
	close(ready);
	for (;;)
		pause();
}

static int start_holder(pid_t *ret_pid)
{
	int fds[2];
	char c;

	if (pipe(fds))
		return -errno;
	*ret_pid = fork();
	if (*ret_pid == 0) {
		close(fds[0]);
		hold(fds[1]);
	}
	close(fds[1]);
	if (*ret_pid < 0 || read(fds[0], &c, 1) != 1) {
		close(fds[0]);
		return -EPERM;
	}
	close(fds[0]);
	return 0;
}

static struct inlay_addr address(enum relay_side side, __u8 last)
{
	struct inlay_addr a = {.family = AF_INET};

	memcpy(a.ip, sides[side].ip, 3);
	a.ip[3] = last;
	return a;
}

static int join(struct relay_net *net, enum relay_side side)
{
	const char *near = sides[side].near, *far = sides[side].far, *ip = sides[side].net;
	int pid, ret = start_holder(&net->holders[side]);

	if (ret)
		return ret;
	pid = (int)net->holders[side];
	net->relay[side] = address(side, 1);
	net->peer[side] = address(side, 2);
	ret = relay_net_run("ip link add %s type veth peer name %s netns %d", near, far, pid);
	if (!ret)
		ret = relay_net_run("ip addr add %s.1/24 dev %s && ip link set %s up", ip, near,
				    near);
	if (!ret)
		ret = relay_net_run(
			"nsenter -t %d -n sh -c 'ip link set lo up && ip addr add %s.2/24 dev %s "
			"&& ip link set %s up'",
			pid, ip, far, far);
	return ret;
}

int relay_net_open(struct relay_net *net)
{
	int ret = 0;

	*net = (struct relay_net){0};
	if (unshare(CLONE_NEWNET)) {
		fprintf(stderr, "bench: no network namespace: %s\n", strerror(errno));
		return -errno;
	}
	ret = relay_net_run("ip link set lo up");
	for (int i = 0; i < RELAY_SIDES && !ret; i++)
		ret = join(net, (enum relay_side)i);
	return ret;
}

void relay_net_close(struct relay_net *net)
{
	for (int i = 0; i < RELAY_SIDES; i++)
		if (net->holders[i] > 0) {
			kill(net->holders[i], SIGKILL);
			waitpid(net->holders[i], NULL, 0);
		}
	*net = (struct relay_net){0};
}

int relay_net_enter(const struct relay_net *net, enum relay_side side)
{
	char path[64];
	int fd, ret;

	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)net->holders[side]);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ret = fd < 0 || setns(fd, CLONE_NEWNET) ? -errno : 0;
	if (fd >= 0)
		close(fd);
	return ret;
}

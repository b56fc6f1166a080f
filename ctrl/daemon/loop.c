/* SPDX-License-Identifier: BSD-2-Clause */
#include "loop.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#define EVENTS 32

struct inlay_loop {
	int epoll, signal_fd;
	struct inlay_watch on_signal;
	unsigned int signals;
	/* Of the wake-up being worked on, so that what is unwatched meanwhile is not called. */
	struct epoll_event events[EVENTS];
	int n_events;
};

inlay_ns inlay_loop_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (inlay_ns)ts.tv_sec * INLAY_S + (inlay_ns)ts.tv_nsec;
}

static void signal_came(void *user, __u32 events)
{
	struct inlay_loop *loop = user;
	struct signalfd_siginfo info;

	while (read(loop->signal_fd, &info, sizeof(info)) == sizeof(info))
		loop->signals++;
}

static int open_signals(void)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGQUIT);
	sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, NULL))
		return -errno;
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return -errno;
	/* A peer of the control socket that is gone shows as EPIPE. */
	signal(SIGPIPE, SIG_IGN);
	return fd;
}

static int set_up(struct inlay_loop *loop)
{
	loop->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll < 0)
		return -errno;
	loop->signal_fd = open_signals();
	if (loop->signal_fd < 0)
		return loop->signal_fd;
	loop->on_signal = (struct inlay_watch){loop->signal_fd, signal_came, loop};
	return inlay_loop_watch(loop, &loop->on_signal, EPOLLIN);
}

int inlay_loop_new(struct inlay_loop **ret_loop)
{
	struct inlay_loop *loop = calloc(1, sizeof(*loop));
	int ret;

	if (!loop)
		return -ENOMEM;
	loop->epoll = loop->signal_fd = -1;
	ret = set_up(loop);
	if (ret) {
		inlay_loop_free(loop);
		return ret;
	}
	*ret_loop = loop;
	return 0;
}

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

void inlay_loop_free(struct inlay_loop *loop)
{
	if (!loop)
		return;
	close_fd(loop->epoll);
	close_fd(loop->signal_fd);
	free(loop);
}

static int control(struct inlay_loop *loop, int operation, struct inlay_watch *watch, __u32 events)
{
	struct epoll_event ev = {.events = events, .data.ptr = watch};

	return epoll_ctl(loop->epoll, operation, watch->fd, &ev) ? -errno : 0;
}

int inlay_loop_watch(struct inlay_loop *loop, struct inlay_watch *watch, __u32 events)
{
	return control(loop, EPOLL_CTL_ADD, watch, events);
}

int inlay_loop_change(struct inlay_loop *loop, struct inlay_watch *watch, __u32 events)
{
	return control(loop, EPOLL_CTL_MOD, watch, events);
}

void inlay_loop_unwatch(struct inlay_loop *loop, struct inlay_watch *watch)
{
	control(loop, EPOLL_CTL_DEL, watch, 0);
	for (int i = 0; i < loop->n_events; i++)
		if (loop->events[i].data.ptr == watch)
			loop->events[i].data.ptr = NULL;
}

/* To the nanosecond, and without a timer to be set anew each time: deadlines of connections move
 * with every packet. */
static int wait_for(struct inlay_loop *loop, inlay_ns deadline)
{
	inlay_ns now = deadline == INLAY_NEVER ? 0 : inlay_loop_now(), left;
	struct timespec ts;
	int n;

	left = deadline > now ? deadline - now : 0;
	ts = (struct timespec){(time_t)(left / INLAY_S), (long)(left % INLAY_S)};
	n = epoll_pwait2(loop->epoll, loop->events, EVENTS, deadline == INLAY_NEVER ? NULL : &ts,
			 NULL);
	if (n >= 0 || errno != ENOSYS)
		return n;
	/* Kernels before 5.11, and sandboxes: rounded up, so as not to wake too early. */
	if (left > 60 * INLAY_S)
		left = 60 * INLAY_S;
	return epoll_wait(loop->epoll, loop->events, EVENTS,
			  deadline == INLAY_NEVER ? -1 : (int)((left + INLAY_MS - 1) / INLAY_MS));
}

void inlay_loop_turn(struct inlay_loop *loop, inlay_ns deadline)
{
	loop->n_events = wait_for(loop, deadline);
	for (int i = 0; i < loop->n_events; i++) {
		struct inlay_watch *watch = loop->events[i].data.ptr;

		if (watch)
			watch->ready(watch->user, loop->events[i].events);
	}
	loop->n_events = 0;
}

unsigned int inlay_loop_signals(const struct inlay_loop *loop)
{
	return loop->signals;
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include "loop.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define EVENTS 32

struct inlay_loop {
	int epoll, timer, signal_fd;
	struct inlay_watch on_timer, on_signal;
	unsigned int signals;
	inlay_ns armed; /* what the timer is set to; INLAY_NEVER: to nothing */
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

static void timer_fired(void *user, __u32 events)
{
	struct inlay_loop *loop = user;
	__u64 ignored;

	(void)!read(loop->timer, &ignored, sizeof(ignored));
	loop->armed = INLAY_NEVER;
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
	int ret;

	loop->epoll = epoll_create1(EPOLL_CLOEXEC);
	loop->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (loop->epoll < 0 || loop->timer < 0)
		return -errno;
	loop->signal_fd = open_signals();
	if (loop->signal_fd < 0)
		return loop->signal_fd;
	loop->on_timer = (struct inlay_watch){loop->timer, timer_fired, loop};
	loop->on_signal = (struct inlay_watch){loop->signal_fd, signal_came, loop};
	ret = inlay_loop_watch(loop, &loop->on_timer, EPOLLIN);
	return ret ? ret : inlay_loop_watch(loop, &loop->on_signal, EPOLLIN);
}

int inlay_loop_new(struct inlay_loop **ret_loop)
{
	struct inlay_loop *loop = calloc(1, sizeof(*loop));
	int ret;

	if (!loop)
		return -ENOMEM;
	loop->epoll = loop->timer = loop->signal_fd = -1;
	loop->armed = INLAY_NEVER;
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
	close_fd(loop->timer);
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

static void arm(struct inlay_loop *loop, inlay_ns deadline)
{
	struct itimerspec when = {0};

	if (deadline == loop->armed)
		return;
	if (deadline != INLAY_NEVER) {
		when.it_value.tv_sec = (time_t)(deadline / INLAY_S);
		when.it_value.tv_nsec = (long)(deadline % INLAY_S);
	}
	timerfd_settime(loop->timer, TFD_TIMER_ABSTIME, &when, NULL);
	loop->armed = deadline;
}

void inlay_loop_turn(struct inlay_loop *loop, inlay_ns deadline)
{
	bool past = deadline <= inlay_loop_now();

	if (!past)
		arm(loop, deadline);
	loop->n_events = epoll_wait(loop->epoll, loop->events, EVENTS, past ? 0 : -1);
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

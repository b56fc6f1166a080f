/* SPDX-License-Identifier: BSD-2-Clause */
/* inlayd as a child, with a configuration of the bench's; and what CPU time it takes. */
#ifndef INLAY_BENCH_RELAY_DAEMON_H
#define INLAY_BENCH_RELAY_DAEMON_H

#include <sched.h>
#include <sys/types.h>

#include "inlay_types.h"

struct relay_daemon_config {
	const char *inlayd; /* the program */
	const char *yaml;   /* all but control_socket */
	cpu_set_t cpus;	    /* that its threads may use */
};

struct relay_daemon {
	pid_t pid;
	struct inlay_addr addr; /* where it listens */
	int messages;		/* what it says on standard error */
	char config[64];	/* file; its control socket has the same name with .sock */
};

/* The program that was built with the one that runs. */
void relay_daemon_find(const char *name, char *ret_path, size_t room);
/* 0, once it listens; a negative errno: said why. Stop it in either case. */
int relay_daemon_start(struct relay_daemon *r, const struct relay_daemon_config *config);
/* Does nothing if it is zeroed. */
void relay_daemon_stop(struct relay_daemon *r);

/* What all threads of a process have been on a CPU for, so far. Packets that the kernel passes on
 * in softirq context count for the thread that was interrupted: over veth the sender. */
double relay_cpu_ns(pid_t pid);
/* Of its threads of that name. */
double relay_thread_cpu_ns(pid_t pid, const char *name);
/* Resident: its own, or what it shares: rings and the fast path's state. */
double relay_memory_bytes(pid_t pid, bool shared);
/* CPU time of all kernel threads that take over softirqs when there are many. */
double relay_ksoftirqd_cpu_ns(void);
/* One line for each thread: its name, the CPUs that it may use. */
void relay_print_threads(pid_t pid);

#endif

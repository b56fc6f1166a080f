/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kernel's simulated network devices, by sysfs and debugfs: a device has ports, each a network
 * interface, and knobs that make it refuse things. Bounded waits, where the kernel is slow.
 */
#ifndef INLAY_TESTS_SIM_H
#define INLAY_TESTS_SIM_H

#include <net/if.h>
#include <stdbool.h>

#include <linux/types.h>

#define SIM_PORTS  3
#define SIM_DEVICE (-1) /* in place of a port: the device's own */

struct sim {
	__u32 id;
	__u32 n_ports;
	char names[SIM_PORTS][IF_NAMESIZE];
};

/* NULL: it can simulate devices. Else why not, and what to do. */
const char *sim_missing(void);
/* 0; -errno. */
int sim_new(struct sim *ret_sim, __u32 id, __u32 n_ports);
int sim_del(__u32 id); /* -ENOENT: there is none */
int sim_del_port(const struct sim *sim, __u32 port);

/* A knob or a state in debugfs. 0; -errno. */
int sim_set(const struct sim *sim, int port, const char *knob, const char *value);
int sim_get(const struct sim *sim, int port, const char *knob, char *value, size_t room);
/* Programs that the device holds; |state| of the last one, if not NULL. -errno. */
int sim_programs(const struct sim *sim, char state[16]);
/* Waits until it holds so many. False: it never does. */
bool sim_settles(const struct sim *sim, int n_programs);

#endif

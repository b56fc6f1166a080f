/* SPDX-License-Identifier: BSD-2-Clause */
#include "sim.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BUS	  "/sys/bus/netdevsim"
#define DEBUGFS	  "/sys/kernel/debug/netdevsim/netdevsim%u"
#define WAITS	  500 /* of 10 ms */
#define PATH_ROOM 256

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), err = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		err = -errno;
	close(fd);
	return err;
}

static int read_file(const char *path, char *text, size_t room)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, text, room - 1);
	close(fd);
	if (n < 0)
		return -EIO;
	while (n && text[n - 1] == '\n')
		n--;
	text[n] = 0;
	return 0;
}

const char *sim_missing(void)
{
	if (access(BUS "/new_device", F_OK))
		return "this kernel has no netdevsim: `modprobe netdevsim`, or run it in the "
		       "virtual"
		       " machine (tests/vm/run)";
	if (access(BUS "/new_device", W_OK))
		return "netdevsim takes root";
	if (access("/sys/kernel/debug/netdevsim", R_OK | X_OK))
		return "debugfs is not mounted: mount -t debugfs debugfs /sys/kernel/debug";
	return NULL;
}

/* Ports are made in turn: the order of their numbers is the order of their ifindexes. */
static int find_ports(struct sim *sim)
{
	char path[PATH_ROOM];
	struct dirent *entry;
	__u32 n = 0;
	DIR *dir;

	snprintf(path, sizeof(path), BUS "/devices/netdevsim%u/net", sim->id);
	dir = opendir(path);
	if (!dir)
		return -errno;
	while ((entry = readdir(dir)) && n < SIM_PORTS) {
		__u32 at = n;

		if (entry->d_name[0] == '.')
			continue;
		for (; at && if_nametoindex(sim->names[at - 1]) > if_nametoindex(entry->d_name);
		     at--)
			memcpy(sim->names[at], sim->names[at - 1], IF_NAMESIZE);
		snprintf(sim->names[at], IF_NAMESIZE, "%.15s", entry->d_name);
		n++;
	}
	closedir(dir);
	return n == sim->n_ports ? 0 : -ENODEV;
}

int sim_new(struct sim *ret_sim, __u32 id, __u32 n_ports)
{
	char text[32];
	int err;

	*ret_sim = (struct sim){.id = id, .n_ports = n_ports};
	snprintf(text, sizeof(text), "%u %u", id, n_ports);
	err = write_file(BUS "/new_device", text);
	return err ? err : find_ports(ret_sim);
}

int sim_del(__u32 id)
{
	char text[32];

	snprintf(text, sizeof(text), "%u", id);
	return write_file(BUS "/del_device", text);
}

int sim_del_port(const struct sim *sim, __u32 port)
{
	char path[PATH_ROOM], text[16];

	snprintf(path, sizeof(path), BUS "/devices/netdevsim%u/del_port", sim->id);
	snprintf(text, sizeof(text), "%u", port);
	return write_file(path, text);
}

static void knob_path(char path[PATH_ROOM], const struct sim *sim, int port, const char *knob)
{
	if (port == SIM_DEVICE)
		snprintf(path, PATH_ROOM, DEBUGFS "/%s", sim->id, knob);
	else
		snprintf(path, PATH_ROOM, DEBUGFS "/ports/%d/%s", sim->id, port, knob);
}

int sim_set(const struct sim *sim, int port, const char *knob, const char *value)
{
	char path[PATH_ROOM];

	knob_path(path, sim, port, knob);
	return write_file(path, value);
}

int sim_get(const struct sim *sim, int port, const char *knob, char *value, size_t room)
{
	char path[PATH_ROOM];

	knob_path(path, sim, port, knob);
	return read_file(path, value, room);
}

int sim_programs(const struct sim *sim, char state[16])
{
	char path[PATH_ROOM], knob[64];
	struct dirent *entry;
	int n = 0;
	DIR *dir;

	knob_path(path, sim, SIM_DEVICE, "bpf_bound_progs");
	dir = opendir(path);
	if (!dir)
		return -errno;
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		n++;
		snprintf(knob, sizeof(knob), "bpf_bound_progs/%.16s/state", entry->d_name);
		if (state)
			sim_get(sim, SIM_DEVICE, knob, state, 16);
	}
	closedir(dir);
	return n;
}

bool sim_settles(const struct sim *sim, int n_programs)
{
	const struct timespec nap = {.tv_nsec = 10 * 1000 * 1000};

	for (int i = 0; i < WAITS; i++) {
		if (sim_programs(sim, NULL) == n_programs)
			return true;
		nanosleep(&nap, NULL);
	}
	return false;
}

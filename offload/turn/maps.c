/* SPDX-License-Identifier: BSD-2-Clause */
/* See maps.h. */
#include "maps.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/membarrier.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LOG_ROOM   (1U << 16)
#define RING_BYTES (1U << 20)
#define MAX_LINKS  4096 /* TC and the server have what is beyond */
#define TRIES	   16	/* of a deletion that meets somebody in the same bucket */

void inlay_turn_say(const struct inlay_turn_error *error, const char *format, ...)
{
	va_list args;

	if (!error->room)
		return;
	va_start(args, format);
	vsnprintf(error->line, error->room, format, args);
	va_end(args);
}

/* --- Loading -------------------------------------------------------------------------------- */

static int be_silent(enum libbpf_print_level level, const char *format, va_list args)
{
	return 0;
}

libbpf_print_fn_t inlay_turn_hush(void)
{
	return libbpf_set_print(be_silent);
}

/* The verifier's complaint: its log's last line but the statistics. */
static const char *complaint(char *log)
{
	char *line = log, *last = log, *save = NULL;

	for (line = strtok_r(log, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		if (strncmp(line, "processed ", 10))
			last = line;
	return last;
}

static int refuse_load(int err, char *log, const char *path, const struct inlay_turn_error *error)
{
	switch (err) {
	case -EPERM:
	case -EACCES:
		if (log[0])
			break;
		inlay_turn_say(error,
			       "%s: loading BPF programs needs root, or CAP_BPF, "
			       "CAP_PERFMON and CAP_NET_ADMIN; on kernels before 5.11 also a "
			       "higher RLIMIT_MEMLOCK (ulimit -l unlimited)",
			       path);
		return -EPERM;
	case -ENOSYS:
		inlay_turn_say(error, "%s: this kernel has no bpf(2): CONFIG_BPF_SYSCALL", path);
		return err;
	case -ENOMEM:
	case -E2BIG:
		inlay_turn_say(error,
			       "%s: the kernel has no memory for its tables: ask for fewer "
			       "channels or allocations, or raise the memory limit",
			       path);
		return err;
	default:
		break;
	}
	inlay_turn_say(error, "%s: this kernel (5.18 or newer is needed) refuses it: %s%s%s", path,
		       strerror(-err), log[0] ? ": " : "", log[0] ? complaint(log) : "");
	return err;
}

static int find_map(struct inlay_turn_maps *maps, const char *name, size_t value_size, __u32 n,
		    const struct inlay_turn_error *error, struct bpf_map **ret_map)
{
	struct bpf_map *map = bpf_object__find_map_by_name(maps->object, name);

	if (!map || (value_size && bpf_map__value_size(map) != value_size)) {
		inlay_turn_say(error,
			       "the BPF object is of another version than this library (map %s): "
			       "install both from one build",
			       name);
		return -EPROTO;
	}
	if (n && bpf_map__set_max_entries(map, n))
		return -EINVAL;
	*ret_map = map;
	return 0;
}

/* Before it is loaded: sizes. */
static int size_maps(struct inlay_turn_maps *maps, const struct inlay_turn_error *error)
{
	const struct {
		const char *name;
		size_t value;
		__u32 n;
	} all[] = {
		{"turn_clients", sizeof(struct inlay_turn_ref), maps->n_flows},
		{"turn_peers", sizeof(struct inlay_turn_ref), maps->n_flows},
		{"turn_watched", sizeof(struct inlay_turn_ref), maps->n_flows},
		{"turn_flows", sizeof(struct inlay_turn_flow), maps->n_flows},
		{"turn_allocations", sizeof(struct inlay_turn_allocation), maps->n_allocations},
		{"turn_control", sizeof(struct inlay_turn_control), 1},
		{"turn_stats", sizeof(struct inlay_turn_stats), maps->n_flows},
		{"turn_reasons", sizeof(__u64), INLAY_N_REASONS},
		{"turn_links", sizeof(__u32), MAX_LINKS},
		{"turn_requests", 0, RING_BYTES},
		{"turn_responses", 0, RING_BYTES},
		{"turn_lost", sizeof(__u64), 2},
	};
	struct bpf_map *map;
	int err;

	for (size_t i = 0; i < INLAY_ARRAY_SIZE(all); i++) {
		err = find_map(maps, all[i].name, all[i].value, all[i].n, error, &map);
		if (err)
			return err;
	}
	return 0;
}

static int map_fd(const struct inlay_turn_maps *maps, const char *name)
{
	return bpf_object__find_map_fd_by_name(maps->object, name);
}

static int program_fd(const struct inlay_turn_maps *maps, const char *name)
{
	struct bpf_program *program = bpf_object__find_program_by_name(maps->object, name);

	return program ? bpf_program__fd(program) : -ENOENT;
}

static size_t shared_len(size_t value_size, __u32 n)
{
	size_t page = (size_t)getpagesize(), len = (value_size + 7) / 8 * 8 * n;

	return (len + page - 1) / page * page;
}

static int share(const struct inlay_turn_maps *maps, const char *name, size_t value_size, __u32 n,
		 void *ret)
{
	void *memory = mmap(NULL, shared_len(value_size, n), PROT_READ | PROT_WRITE, MAP_SHARED,
			    map_fd(maps, name), 0);

	if (memory == MAP_FAILED)
		return -errno;
	*(void **)ret = memory;
	return 0;
}

static void unshare_map(void *memory, size_t value_size, __u32 n)
{
	if (memory)
		munmap(memory, shared_len(value_size, n));
}

/* After it was loaded: descriptors and memory. */
static int open_maps(struct inlay_turn_maps *maps)
{
	int err;

	maps->xdp = program_fd(maps, "turn_xdp");
	maps->ingress = program_fd(maps, "turn_ingress");
	maps->egress = program_fd(maps, "turn_egress");
	maps->clients = map_fd(maps, "turn_clients");
	maps->peers = map_fd(maps, "turn_peers");
	maps->watched = map_fd(maps, "turn_watched");
	maps->stats = map_fd(maps, "turn_stats");
	maps->reasons = map_fd(maps, "turn_reasons");
	maps->links = map_fd(maps, "turn_links");
	maps->requests = map_fd(maps, "turn_requests");
	maps->responses = map_fd(maps, "turn_responses");
	err = share(maps, "turn_flows", sizeof(*maps->flows), maps->n_flows, &maps->flows);
	if (!err)
		err = share(maps, "turn_allocations", sizeof(*maps->allocations),
			    maps->n_allocations, &maps->allocations);
	if (!err)
		err = share(maps, "turn_control", sizeof(*maps->control), 1, &maps->control);
	if (!err)
		err = share(maps, "turn_lost", sizeof(*maps->lost), 2, &maps->lost);
	return err;
}

static int load(struct inlay_turn_maps *maps, const char *path,
		const struct inlay_turn_error *error)
{
	static const char *const programs[] = {"turn_xdp", "turn_ingress", "turn_egress"};
	struct bpf_program *program;
	char *log = calloc(1, LOG_ROOM);
	int err;

	if (!log)
		return -ENOMEM;
	for (size_t i = 0; i < INLAY_ARRAY_SIZE(programs); i++) {
		program = bpf_object__find_program_by_name(maps->object, programs[i]);
		if (!program) {
			inlay_turn_say(error,
				       "%s: no program %s in it: install the library and "
				       "its BPF object from one build",
				       path, programs[i]);
			free(log);
			return -EPROTO;
		}
		bpf_program__set_log_buf(program, log, LOG_ROOM);
	}
	err = bpf_object__load(maps->object);
	if (err)
		err = refuse_load(err, log, path, error);
	free(log);
	return err;
}

static int open_object(struct inlay_turn_maps *maps, const char *path,
		       const struct inlay_turn_error *error)
{
	int err;

	if (access(path, R_OK)) {
		err = -errno;
		inlay_turn_say(error,
			       "%s: %s: the programs for the kernel are not where they are "
			       "looked for: install them, or name the file",
			       path, strerror(-err));
		return err;
	}
	maps->object = bpf_object__open_file(path, NULL);
	if (!maps->object) {
		inlay_turn_say(error, "%s: no BPF object that libbpf can read", path);
		return -ENOEXEC;
	}
	err = size_maps(maps, error);
	if (!err)
		err = load(maps, path, error);
	if (err)
		return err;
	err = open_maps(maps);
	if (err)
		inlay_turn_say(error, "%s: its tables cannot be mapped: %s", path, strerror(-err));
	return err;
}

int inlay_turn_maps_init(struct inlay_turn_maps *maps, const char *path, __u32 n_flows,
			 __u32 n_allocations, const struct inlay_turn_error *error)
{
	*maps = (struct inlay_turn_maps){.n_flows = n_flows, .n_allocations = n_allocations};
	maps->n_cpus = libbpf_num_possible_cpus();
	if (maps->n_cpus < 1)
		return -EINVAL;
	maps->cpu_stats = calloc((size_t)maps->n_cpus, sizeof(*maps->cpu_stats));
	if (!maps->cpu_stats)
		return -ENOMEM;
	return open_object(maps, path, error);
}

void inlay_turn_maps_fini(struct inlay_turn_maps *maps)
{
	unshare_map(maps->flows, sizeof(*maps->flows), maps->n_flows);
	unshare_map(maps->allocations, sizeof(*maps->allocations), maps->n_allocations);
	unshare_map(maps->control, sizeof(*maps->control), 1);
	unshare_map(maps->lost, sizeof(*maps->lost), 2);
	bpf_object__close(maps->object);
	free(maps->cpu_stats);
	*maps = (struct inlay_turn_maps){0};
}

/* --- The tables' operations ----------------------------------------------------------------- */

static int table_fd(const struct inlay_turn_maps *maps, enum inlay_turn_table table)
{
	switch (table) {
	case INLAY_TURN_CLIENTS:
		return maps->clients;
	case INLAY_TURN_PEERS:
		return maps->peers;
	case INLAY_TURN_WATCHES:
		return maps->watched;
	}
	return -1;
}

static int add(void *user, enum inlay_turn_table table, const void *key,
	       const struct inlay_turn_ref *ref)
{
	int err = bpf_map_update_elem(table_fd(user, table), key, ref, BPF_NOEXIST);

	return err == -E2BIG || err == -ENOMEM ? -ENOSPC : err;
}

static void remove_key(void *user, enum inlay_turn_table table, const void *key)
{
	int err, tries = 0;

	do {
		err = bpf_map_delete_elem(table_fd(user, table), key);
	} while (err == -EBUSY && ++tries < TRIES);
}

static void clear_stats(void *user, __u32 flow)
{
	struct inlay_turn_maps *maps = user;

	memset(maps->cpu_stats, 0, (size_t)maps->n_cpus * sizeof(*maps->cpu_stats));
	(void)bpf_map_update_elem(maps->stats, &flow, maps->cpu_stats, BPF_ANY);
}

static void read_stats(void *user, __u32 flow, struct inlay_turn_stats *ret_stats)
{
	struct inlay_turn_maps *maps = user;
	struct inlay_turn_stats sum = {0};

	memset(maps->cpu_stats, 0, (size_t)maps->n_cpus * sizeof(*maps->cpu_stats));
	(void)bpf_map_lookup_elem(maps->stats, &flow, maps->cpu_stats);
	for (int i = 0; i < maps->n_cpus; i++) {
		const struct inlay_turn_stats *cpu = &maps->cpu_stats[i];

		sum.to_peer_packets += cpu->to_peer_packets;
		sum.to_peer_bytes += cpu->to_peer_bytes;
		sum.to_client_packets += cpu->to_client_packets;
		sum.to_client_bytes += cpu->to_client_bytes;
		sum.last = cpu->last > sum.last ? cpu->last : sum.last;
	}
	*ret_stats = sum;
}

/* A grace period of RCU. Where there is none to be had (nohz_full), the tables' second of rest
 * has to do. */
static void settle(void *user)
{
	(void)syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
}

void inlay_turn_maps_backend(struct inlay_turn_maps *maps, struct inlay_turn_backend *ret_backend)
{
	*ret_backend = (struct inlay_turn_backend){
		.add = add,
		.remove = remove_key,
		.clear = clear_stats,
		.read = read_stats,
		.settle = settle,
		.user = maps,
		.flows = maps->flows,
		.allocations = maps->allocations,
		.n_flows = maps->n_flows,
		.n_allocations = maps->n_allocations,
	};
}

void inlay_turn_maps_reasons(const struct inlay_turn_maps *maps,
			     struct inlay_reason_counters *ret_counters)
{
	__u64 *cpus = calloc((size_t)maps->n_cpus, sizeof(*cpus));

	*ret_counters = (struct inlay_reason_counters){0};
	/* Ours are the last ones of the list. */
	for (__u32 reason = INLAY_REASON_TURN_UNKNOWN_CHANNEL; cpus && reason < INLAY_N_REASONS;
	     reason++) {
		if (bpf_map_lookup_elem(maps->reasons, &reason, cpus))
			continue;
		for (int i = 0; i < maps->n_cpus; i++)
			ret_counters->count[reason] += cpus[i];
	}
	free(cpus);
}

void inlay_turn_maps_set_link(struct inlay_turn_maps *maps, __u32 ifindex, __u32 flags)
{
	if (flags)
		(void)bpf_map_update_elem(maps->links, &ifindex, &flags, BPF_ANY);
	else
		(void)bpf_map_delete_elem(maps->links, &ifindex);
}

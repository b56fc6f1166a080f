/* SPDX-License-Identifier: BSD-2-Clause */
/* See kernel.h. */
#include "kernel.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MAX_CPUS 1024

const struct inlay_sizes kernel_sizes = {
	.n_sas = 16,
	.n_subscribers = VECTOR_SUBSCRIBERS,
	.n_upstreams = 1,
	.journal_size = VECTOR_LOG,
	.n_tracks = 1,
	.n_slots = VECTOR_SLOTS,
	.log_stride = VECTOR_LOG + 2,
	.first_owner = INLAY_CONTEXTS + 1,
};

static struct bpf_object *object;
static int program, n_cpus;

void kernel_die(const char *what)
{
	printf("%s: %s\n", what, strerror(errno));
	exit(1);
}

void kernel_skip(const char *why)
{
	printf("skipped: %s\n", why);
	exit(77);
}

static int be_silent(enum libbpf_print_level level, const char *format, va_list args)
{
	return 0;
}

static void set_size(const char *name, __u32 n)
{
	struct bpf_map *map = bpf_object__find_map_by_name(object, name);

	if (!map || bpf_map__set_max_entries(map, n))
		kernel_die(name);
}

/* The memory of the table, which both sides write. */
static void *table(const char *name)
{
	struct bpf_map *map = bpf_object__find_map_by_name(object, name);
	size_t page = (size_t)getpagesize(), len;
	void *memory;

	if (!map)
		kernel_die(name);
	len = (size_t)bpf_map__max_entries(map) * bpf_map__value_size(map);
	len = (len + page - 1) / page * page;
	memory = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);
	if (memory == MAP_FAILED)
		kernel_die(name);
	return memory;
}

static void load(const char *path)
{
	struct bpf_map *constants;

	libbpf_set_strict_mode(LIBBPF_STRICT_ALL);
	libbpf_set_print(be_silent);
	object = bpf_object__open_file(path, NULL);
	if (!object)
		kernel_die(path);
	constants = bpf_object__find_map_by_name(object, ".rodata");
	if (!constants ||
	    bpf_map__set_initial_value(constants, &kernel_sizes, sizeof(kernel_sizes)))
		kernel_die("constants");
	set_size("inlay_sas", kernel_sizes.n_sas);
	set_size("inlay_subscribers", kernel_sizes.n_subscribers);
	set_size("inlay_logs", kernel_sizes.n_subscribers * kernel_sizes.log_stride);
	set_size("inlay_upstreams", kernel_sizes.n_upstreams);
	set_size("inlay_journals", kernel_sizes.n_upstreams * kernel_sizes.journal_size);
	set_size("inlay_tracks", kernel_sizes.n_tracks);
	set_size("inlay_positions", kernel_sizes.n_tracks * INLAY_POSITIONS);
	set_size("inlay_slots", kernel_sizes.n_slots);
	set_size("inlay_legs", kernel_sizes.n_slots * INLAY_POSITIONS);
	set_size("inlay_outs", (__u32)n_cpus * INLAY_OUT_MAX);
	if (bpf_object__load(object)) {
		if (errno == EPERM || errno == ENOSYS)
			kernel_skip(
				"loading BPF programs needs root, or CAP_BPF and CAP_NET_ADMIN");
		kernel_die("load");
	}
	program = bpf_program__fd(bpf_object__find_program_by_name(object, "inlay_forward"));
}

int kernel_load(const char *path, struct inlay_tables *ret_tables)
{
	struct inlay_tables *t = ret_tables;

	n_cpus = libbpf_num_possible_cpus();
	if (n_cpus < 1 || n_cpus > MAX_CPUS)
		kernel_skip("more CPUs than this test counts");
	load(path);
	t->contexts = calloc(INLAY_CONTEXTS, sizeof(*t->contexts));
	if (!t->contexts)
		kernel_die("contexts");
	t->sas = table("inlay_sas");
	t->subscribers = table("inlay_subscribers");
	t->logs = table("inlay_logs");
	t->upstreams = table("inlay_upstreams");
	t->journals = table("inlay_journals");
	t->tracks = table("inlay_tracks");
	t->positions = table("inlay_positions");
	t->slots = table("inlay_slots");
	t->legs = table("inlay_legs");
	t->n_sas = kernel_sizes.n_sas;
	t->n_subscribers = kernel_sizes.n_subscribers;
	t->n_upstreams = kernel_sizes.n_upstreams;
	t->journal_size = kernel_sizes.journal_size;
	t->n_tracks = kernel_sizes.n_tracks;
	t->n_slots = kernel_sizes.n_slots;
	t->log_stride = kernel_sizes.log_stride;
	return program;
}

void kernel_reasons(__u64 *ret_counts)
{
	static __u64 all[MAX_CPUS][KERNEL_COUNTS];
	__u32 key = 0;

	memset(ret_counts, 0, KERNEL_COUNTS * sizeof(*ret_counts));
	if (bpf_map_lookup_elem(bpf_object__find_map_fd_by_name(object, "inlay_reasons"), &key,
				all))
		kernel_die("reasons");
	for (int cpu = 0; cpu < n_cpus; cpu++)
		for (__u32 i = 0; i < KERNEL_COUNTS; i++)
			ret_counts[i] += all[cpu][i];
}

size_t kernel_put_frame(const __u8 *packet, size_t len, __u8 *frame)
{
	static const __u8 front[ETH_HLEN] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x88, 0xb5};
	const struct inlay_link_header header = {
		.skip = htons(INLAY_LINK_ROOM),
		.len = htons((__u16)len),
	};

	memcpy(frame, front, ETH_HLEN);
	memcpy(frame + ETH_HLEN, &header, sizeof(header));
	memset(frame + KERNEL_FRONT, 0xee, INLAY_LINK_ROOM);
	memcpy(frame + KERNEL_FRONT + INLAY_LINK_ROOM, packet, len);
	return KERNEL_FRONT + INLAY_LINK_ROOM + len;
}

__u32 kernel_run(const __u8 *frame, size_t n, __u8 *up, size_t *ret_n)
{
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = frame, .data_size_in = (__u32)n,
		    .data_out = up, .data_size_out = KERNEL_FRAME);

	if (bpf_prog_test_run_opts(program, &run))
		kernel_die("run");
	*ret_n = run.data_size_out;
	return run.retval;
}

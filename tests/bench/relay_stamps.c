/* SPDX-License-Identifier: BSD-2-Clause */
#include "relay_stamps.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#define CONTROL_ROOM sizeof(struct relay_stamps_control)
#define STAMPS_ROOM  (RELAY_STAMPS * sizeof(struct relay_stamp))
#define CALLS_ROOM   (RELAY_STAMP_CALLS * sizeof(__u64))

static int say_errors(enum libbpf_print_level level, const char *format, va_list args)
{
	return level == LIBBPF_WARN ? vfprintf(stderr, format, args) : 0;
}

static int fail(const char *what, int ret)
{
	fprintf(stderr, "bench: %s: %s\n", what, strerror(ret < 0 ? -ret : errno));
	return ret < 0 ? ret : -errno;
}

static int attach(struct relay_stamps *s, const char *program, const char *interface,
		  enum bpf_tc_attach_point point)
{
	DECLARE_LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)if_nametoindex(interface),
			    .attach_point = point);
	DECLARE_LIBBPF_OPTS(bpf_tc_opts, opts);
	struct bpf_program *p = bpf_object__find_program_by_name(s->object, program);
	int ret;

	if (!p)
		return -ENOENT;
	opts.prog_fd = bpf_program__fd(p);
	ret = bpf_tc_hook_create(&hook);
	return ret && ret != -EEXIST ? ret : bpf_tc_attach(&hook, &opts);
}

/* Elements of an array map stand side by side if their size is a multiple of 8. */
static void *map(const struct relay_stamps *s, const char *name, size_t bytes)
{
	int fd = bpf_object__find_map_fd_by_name(s->object, name);
	void *at =
		fd < 0 ? MAP_FAILED : mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return at == MAP_FAILED ? NULL : at;
}

int relay_stamps_open(struct relay_stamps *s, const char *file, const char *in, const char *out)
{
	int ret;

	*s = (struct relay_stamps){0};
	libbpf_set_print(say_errors);
	s->object = bpf_object__open_file(file, NULL);
	if (!s->object)
		return fail(file, 0);
	ret = bpf_object__load(s->object);
	if (ret)
		return fail("the stamping programs do not load", ret);
	s->control = map(s, "control", CONTROL_ROOM);
	s->stamps = map(s, "stamps", STAMPS_ROOM);
	s->calls = map(s, "calls", CALLS_ROOM);
	if (!s->control || !s->stamps || !s->calls)
		return fail("their maps cannot be mapped", 0);
	ret = attach(s, "stamp_in", in, BPF_TC_INGRESS);
	if (!ret)
		ret = attach(s, "stamp_out", out, BPF_TC_EGRESS);
	return ret ? fail("they cannot be attached", ret) : 0;
}

static void unmap(const void *at, size_t bytes)
{
	if (at)
		munmap((void *)(uintptr_t)at, bytes);
}

void relay_stamps_close(struct relay_stamps *s)
{
	unmap(s->control, CONTROL_ROOM);
	unmap(s->stamps, STAMPS_ROOM);
	unmap(s->calls, CALLS_ROOM);
	bpf_link__destroy(s->link);
	bpf_object__close(s->object);
	*s = (struct relay_stamps){0};
}

void relay_stamps_begin(struct relay_stamps *s, __u16 port, __u16 least, __u16 most)
{
	__atomic_store_n(&s->control->n, 0, __ATOMIC_SEQ_CST);
	s->control->port = port;
	s->control->least = least;
	__atomic_store_n(&s->control->most, most, __ATOMIC_SEQ_CST);
}

size_t relay_stamps_end(struct relay_stamps *s)
{
	__u64 n;

	__atomic_store_n(&s->control->most, 0, __ATOMIC_SEQ_CST);
	n = __atomic_load_n(&s->control->n, __ATOMIC_SEQ_CST);
	return n < RELAY_STAMPS ? n : RELAY_STAMPS;
}

int relay_stamps_count_calls(struct relay_stamps *s, int pid)
{
	struct bpf_program *p = bpf_object__find_program_by_name(s->object, "count_call");

	memset(s->calls, 0, CALLS_ROOM);
	s->control->pid = (__u32)pid;
	s->link = bpf_program__attach_raw_tracepoint(p, "sys_enter");
	return s->link ? 0 : fail("raw tracepoint sys_enter", 0);
}

__u64 relay_stamps_calls(struct relay_stamps *s)
{
	__u64 sum = 0;

	bpf_link__destroy(s->link);
	s->link = NULL;
	for (size_t i = 0; i < RELAY_STAMP_CALLS; i++)
		sum += s->calls[i];
	return sum;
}

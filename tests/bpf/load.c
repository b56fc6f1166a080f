/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Does this host's kernel accept a BPF object? It is loaded, which is when the verifier reads it,
 * and attached to nothing. Says in TAP, and what that cost; if it is refused, shows the end of the
 * verifier's log.
 *
 * usage: bpf_load OBJECT
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "inlay_types.h"

#define LOG_SIZE (1U << 20)
#define LOG_TAIL 4000

/* The verifier's complaint is at the end of a log that may be longer than any buffer: the kernel
 * keeps the end from 6.4 on. Statistics (4) come last; everything (2) only when it was refused. */
enum log_level {
	LOG_ALL = 2,
	LOG_STATS = 4,
};

static int be_silent(enum libbpf_print_level level, const char *format, va_list args)
{
	return 0;
}

static int load(const char *path, __u32 level, char *log)
{
	struct bpf_object *object = bpf_object__open_file(path, NULL);
	struct bpf_program *program;
	int err;

	if (!object)
		return -errno;
	log[0] = 0;
	bpf_object__for_each_program(program, object)
	{
		bpf_program__set_log_buf(program, log, LOG_SIZE);
		bpf_program__set_log_level(program, level);
	}
	err = bpf_object__load(object);
	bpf_object__close(object);
	return err;
}

/* Programs that need nothing but the privilege. */
static int may_load(void)
{
	const struct bpf_insn insns[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 0},
		{.code = BPF_JMP | BPF_EXIT},
	};
	int fd = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "probe", "GPL", insns,
			       INLAY_ARRAY_SIZE(insns), NULL);

	return fd < 0 ? -errno : fd;
}

int main(int argc, char **argv)
{
	static char log[LOG_SIZE];
	size_t len;
	int err;

	if (argc != 2) {
		fprintf(stderr, "usage: bpf_load OBJECT\n");
		return 2;
	}
	libbpf_set_strict_mode(LIBBPF_STRICT_ALL);
	libbpf_set_print(be_silent);
	err = may_load();
	if (err == -EPERM || err == -ENOSYS) {
		printf("skipped: loading BPF programs needs root, or CAP_BPF and CAP_NET_ADMIN\n");
		return 77;
	}
	err = load(argv[1], LOG_STATS, log);
	if (err == 0) {
		printf("1..1\nok 1 - %s is accepted\n%s", argv[1], log);
		return 0;
	}
	printf("1..1\nnot ok 1 - %s is refused: %s\n%s", argv[1], strerror(-err), log);
	(void)load(argv[1], LOG_ALL, log);
	len = strlen(log);
	printf("...%s\n", len > LOG_TAIL ? log + len - LOG_TAIL : log);
	return 1;
}

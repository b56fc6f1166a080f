/* SPDX-License-Identifier: BSD-2-Clause */
/* The doctor's probes, for its table; and what they share. */
#ifndef INLAY_CLI_DOCTOR_PROBES_H
#define INLAY_CLI_DOCTOR_PROBES_H

#include "doctor.h"

typedef void inlay_doctor_probe(struct inlay_doctor *d, struct inlay_doctor_finding *f);

/* doctor_host.c: read from files */
inlay_doctor_probe inlay_probe_kernel, inlay_probe_net_admin, inlay_probe_bpf, inlay_probe_net_raw,
	inlay_probe_sys_resource, inlay_probe_cpu, inlay_probe_receive_buffer,
	inlay_probe_send_buffer, inlay_probe_ipv6, inlay_probe_hugepages, inlay_probe_btf,
	inlay_probe_bpffs, inlay_probe_jit, inlay_probe_unprivileged_bpf, inlay_probe_clock_source,
	inlay_probe_cores, inlay_probe_governor, inlay_probe_conntrack, inlay_probe_rp_filter,
	inlay_probe_core_dumps, inlay_probe_ptrace, inlay_probe_swap;
/* doctor_tries.c: found by trying */
inlay_doctor_probe inlay_probe_configuration, inlay_probe_certificate, inlay_probe_key_file,
	inlay_probe_ports, inlay_probe_locked_memory, inlay_probe_backend, inlay_probe_no_fragments,
	inlay_probe_drop_counter, inlay_probe_ecn, inlay_probe_gso, inlay_probe_gro,
	inlay_probe_random, inlay_probe_time, inlay_probe_qlog_directory;

void inlay_found(struct inlay_doctor_finding *f, enum inlay_doctor_state state, const char *format,
		 ...) __attribute__((format(printf, 3, 4)));
void inlay_fix(struct inlay_doctor_finding *f, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* The first bytes of a file below the root, terminated, without the last line's end. False: it
 * cannot be read. */
bool inlay_doctor_read(const struct inlay_doctor *d, const char *path, char *text, size_t room);
/* The value behind |key| in a file of lines "key value" or "key: value". */
bool inlay_doctor_field(const struct inlay_doctor *d, const char *path, const char *key, char *text,
			size_t room);
/* Does this process have the capability? Its own names stand in linux/capability.h. */
bool inlay_doctor_can(const struct inlay_doctor *d, unsigned int capability);

#endif

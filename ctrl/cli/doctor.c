/* SPDX-License-Identifier: BSD-2-Clause */
/* The doctor's table, and what is made of it. */
#include <string.h>

#include "doctor_probes.h"

#define EXIT_LACKS 1
#define EXIT_USAGE 2

static const struct inlay_doctor_row rows[] = {
	/* As configured. */
	{"configuration", "what inlayd is to do", inlay_probe_configuration,
	 "correct it, see inlayd.yaml(5): until then the defaults are judged below"},
	{"certificate", "TLS: clients verify it", inlay_probe_certificate,
	 "name a valid pair by certificate: and key:, readable to inlayd"},
	{"private key", "whoever reads it can pass for this relay", inlay_probe_key_file,
	 "chmod 600"},
	{"ports", "inlayd listens there", inlay_probe_ports,
	 "listen on another address or port, or grant CAP_NET_BIND_SERVICE below 1024"},
	{"qlog directory", "logs of connections are written there", inlay_probe_qlog_directory,
	 "make it, and give it to inlayd's user"},
	/* Needed. */
	{"locked memory", "traffic secrets never reach the swap", inlay_probe_locked_memory,
	 "ulimit -l, or LimitMEMLOCK= of the service"},
	{"crypto backend", "seals and opens every packet", inlay_probe_backend,
	 "apt install libipsec-mb-dev before building, and crypto_backend: auto: faster where the "
	 "CPU "
	 "has AVX2"},
	{"random numbers", "keys and connection IDs", inlay_probe_random,
	 "wait until the kernel has gathered entropy; in a virtual machine add virtio-rng"},
	{"no fragments", "IP_MTU_DISCOVER: QUIC datagrams are never fragmented",
	 inlay_probe_no_fragments, "a kernel that has IP_PMTUDISC_PROBE"},
	{"drop counter", "SO_RXQ_OVFL: every drop is counted", inlay_probe_drop_counter,
	 "a kernel that has SO_RXQ_OVFL"},
	{"ECN", "IP_RECVTOS: marks tell of congestion before loss does", inlay_probe_ecn,
	 "a kernel that has IP_RECVTOS"},
	/* Better with. */
	{"UDP GSO", "many datagrams in one send: the relay's CPU", inlay_probe_gso,
	 "Linux 4.18 or later with CONFIG_INET; gso: off hides this"},
	{"UDP GRO", "many datagrams in one receive: the relay's CPU", inlay_probe_gro,
	 "Linux 5.0 or later; gro: off hides this"},
	{"receive buffer", "socket_buffer_bytes: bursts are not dropped",
	 inlay_probe_receive_buffer, "sysctl -w net.core.rmem_max"},
	{"send buffer", "socket_buffer_bytes: bursts leave at once", inlay_probe_send_buffer,
	 "sysctl -w net.core.wmem_max"},
	{"IPv6", "clients that have nothing else", inlay_probe_ipv6,
	 "sysctl -w net.ipv6.conf.all.disable_ipv6=0"},
	{"CPU", "AES and vector instructions: the price of a packet", inlay_probe_cpu,
	 "a CPU with AES instructions; in a virtual machine pass the host's through"},
	{"cores", "one for the data thread, one for control", inlay_probe_cores,
	 "give it two or more"},
	{"CPU governor", "packets wait while a core wakes", inlay_probe_governor,
	 "cpupower frequency-set -g performance"},
	{"clock source", "CLOCK_MONOTONIC is read for every burst", inlay_probe_clock_source,
	 "boot with clocksource=tsc if the hardware keeps it steady"},
	{"time", "certificates have dates", inlay_probe_time,
	 "run chrony or systemd-timesyncd, here or on the host of this container"},
	{"conntrack", "a full table drops new clients", inlay_probe_conntrack,
	 "raise net.netfilter.nf_conntrack_max, or NOTRACK for the UDP port"},
	{"rp_filter", "strict: drops what comes by another route, as with several uplinks",
	 inlay_probe_rp_filter, "sysctl -w net.ipv4.conf.all.rp_filter=2"},
	/* Secrets. */
	{"core dumps", "secrets stay out of files", inlay_probe_core_dumps,
	 "sysctl -w fs.suid_dumpable=0"},
	{"ptrace", "secrets stay out of other processes", inlay_probe_ptrace, "-"},
	{"swap", "keys stay out of it", inlay_probe_swap,
	 "encrypt the swap, or crypto_backend: ipsec-mb"},
	/* What other placements want. */
	{"CAP_NET_ADMIN", "socket buffers past the limits; programs at TC and XDP",
	 inlay_probe_net_admin, "AmbientCapabilities=CAP_NET_ADMIN of the service"},
	{"CAP_BPF", "placement kernel: loads the forwarder", inlay_probe_bpf,
	 "AmbientCapabilities=CAP_BPF of the service"},
	{"CAP_NET_RAW", "placement kernel: packet socket of the clear link", inlay_probe_net_raw,
	 "AmbientCapabilities=CAP_NET_RAW of the service"},
	{"CAP_SYS_RESOURCE", "placement kernel: memory of BPF maps, on Linux before 5.11",
	 inlay_probe_sys_resource, "LimitMEMLOCK=infinity of the service does as well"},
	{"BTF", "placement kernel: programs fit this kernel", inlay_probe_btf,
	 "a kernel with CONFIG_DEBUG_INFO_BTF"},
	{"bpffs", "placement kernel: pins programs and maps", inlay_probe_bpffs,
	 "mount -t bpf bpf /sys/fs/bpf"},
	{"BPF JIT", "placement kernel: the forwarder's speed", inlay_probe_jit,
	 "sysctl -w net.core.bpf_jit_enable=1"},
	{"unprivileged BPF", "other users' programs can spy by speculation",
	 inlay_probe_unprivileged_bpf, "sysctl -w kernel.unprivileged_bpf_disabled=1"},
	{"hugepages", "softnic: DPDK's packet buffers", inlay_probe_hugepages,
	 "sysctl -w vm.nr_hugepages=256"},
	{"kernel", "for information: features are tried, not guessed from it", inlay_probe_kernel,
	 "-"},
};

_Static_assert(INLAY_ARRAY_SIZE(rows) <= INLAY_DOCTOR_ROWS_MAX, "room for the findings");

static const char *const states[] = {"ok", "note", "lacks"};

size_t inlay_doctor_rows(const struct inlay_doctor_row **ret_rows)
{
	*ret_rows = rows;
	return INLAY_ARRAY_SIZE(rows);
}

size_t inlay_doctor_examine(struct inlay_doctor *d, struct inlay_doctor_finding *findings)
{
	size_t i, lacking = 0;

	memset(&d->keys, 0, sizeof(d->keys));
	d->keys_result = d->tries->keys(&d->config, &d->keys);
	for (i = 0; i < INLAY_ARRAY_SIZE(rows); i++) {
		struct inlay_doctor_finding *f = &findings[i];

		memset(f, 0, sizeof(*f));
		rows[i].probe(d, f);
		if (f->state == INLAY_DOCTOR_OK)
			f->fix[0] = 0;
		else if (!f->fix[0])
			snprintf(f->fix, sizeof(f->fix), "%s", rows[i].fix);
		lacking += f->state == INLAY_DOCTOR_LACKS;
	}
	return lacking;
}

void inlay_doctor_print(const struct inlay_doctor_finding *findings, FILE *out)
{
	size_t i;

	for (i = 0; i < INLAY_ARRAY_SIZE(rows); i++) {
		const struct inlay_doctor_finding *f = &findings[i];

		fprintf(out, "%-6s%-18s%s", states[f->state], rows[i].name, f->found);
		if (f->state != INLAY_DOCTOR_OK)
			fprintf(out, " (%s) -> %s", rows[i].why, f->fix);
		fputc('\n', out);
	}
}

json_t *inlay_doctor_json(const struct inlay_doctor_finding *findings)
{
	json_t *checks = json_array();
	size_t i, lacking = 0;

	for (i = 0; i < INLAY_ARRAY_SIZE(rows); i++) {
		const struct inlay_doctor_finding *f = &findings[i];

		lacking += f->state == INLAY_DOCTOR_LACKS;
		if (json_array_append_new(checks, json_pack("{s:s, s:s, s:s, s:s, s:s}", "name",
							    rows[i].name, "state", states[f->state],
							    "found", f->found, "why", rows[i].why,
							    "fix", f->fix))) {
			json_decref(checks);
			return NULL;
		}
	}
	return json_pack("{s:i, s:b, s:o}", "version", 1, "ok", lacking == 0, "checks", checks);
}

/* ---- the command ---- */

static int report(const struct inlay_doctor_finding *findings, bool json, size_t lacking)
{
	json_t *o = json ? inlay_doctor_json(findings) : NULL;

	if (json && !o) {
		fprintf(stderr, "inlayctl: no memory\n");
		return EXIT_LACKS;
	}
	if (json) {
		json_dumpf(o, stdout, JSON_INDENT(2));
		putchar('\n');
		json_decref(o);
	} else {
		inlay_doctor_print(findings, stdout);
		if (lacking)
			printf("%zu of %zu lacking\n", lacking, INLAY_ARRAY_SIZE(rows));
	}
	return lacking ? EXIT_LACKS : 0;
}

int inlay_doctor_run(const char *socket_path, int argc, char **argv)
{
	static struct inlay_doctor_finding findings[INLAY_DOCTOR_ROWS_MAX];
	struct inlay_doctor d = {.root = "", .tries = &inlay_doctor_real_tries};
	char error[INLAY_CONFIG_ERROR];
	bool json = false;
	int i;

	for (i = 0; i < argc; i++) {
		if (!strcmp(argv[i], "--json")) {
			json = true;
		} else if (!strcmp(argv[i], "--config") && i + 1 < argc) {
			d.config_file = argv[++i];
		} else {
			fprintf(stderr, "inlayctl: doctor takes --json and --config FILE; see "
					"inlayctl --help\n");
			return EXIT_USAGE;
		}
	}
	inlay_config_default(&d.config);
	if (d.config_file && inlay_config_load(d.config_file, &d.config, error)) {
		d.config_error = error;
		inlay_config_default(&d.config);
	}
	if (!d.config.control_socket[0] || !d.config_file)
		snprintf(d.config.control_socket, sizeof(d.config.control_socket), "%s",
			 socket_path);
	return report(findings, json, inlay_doctor_examine(&d, findings));
}

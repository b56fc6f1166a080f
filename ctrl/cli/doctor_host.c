/* SPDX-License-Identifier: BSD-2-Clause */
/* What files below /proc and /sys say of a host. */
#include <linux/capability.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "doctor_probes.h"

#define OK    INLAY_DOCTOR_OK
#define NOTE  INLAY_DOCTOR_NOTE
#define LACKS INLAY_DOCTOR_LACKS

/* ---- shared ---- */

void inlay_found(struct inlay_doctor_finding *f, enum inlay_doctor_state state, const char *format,
		 ...)
{
	va_list args;

	f->state = state;
	va_start(args, format);
	vsnprintf(f->found, sizeof(f->found), format, args);
	va_end(args);
}

void inlay_fix(struct inlay_doctor_finding *f, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(f->fix, sizeof(f->fix), format, args);
	va_end(args);
}

static FILE *open_below(const struct inlay_doctor *d, const char *path)
{
	char full[512];

	if ((size_t)snprintf(full, sizeof(full), "%s%s", d->root, path) >= sizeof(full))
		return NULL;
	return fopen(full, "re");
}

bool inlay_doctor_read(const struct inlay_doctor *d, const char *path, char *text, size_t room)
{
	FILE *file = open_below(d, path);
	size_t n;
	bool bad;

	if (!file)
		return false;
	n = fread(text, 1, room - 1, file);
	bad = ferror(file) != 0;
	fclose(file);
	while (n && text[n - 1] == '\n')
		n--;
	text[n] = 0;
	return !bad;
}

bool inlay_doctor_field(const struct inlay_doctor *d, const char *path, const char *key, char *text,
			size_t room)
{
	FILE *file = open_below(d, path);
	size_t len = strlen(key);
	char line[8192];
	bool there = false;

	while (file && !there && fgets(line, sizeof(line), file)) {
		char *at = line + len;

		if (strncmp(line, key, len) || !strchr(": \t", *at))
			continue;
		at += strspn(at, ": \t");
		at[strcspn(at, "\n")] = 0;
		snprintf(text, room, "%s", at);
		there = true;
	}
	if (file)
		fclose(file);
	return there;
}

static bool read_number(const struct inlay_doctor *d, const char *path, __u64 *ret)
{
	char text[64], *end;

	if (!inlay_doctor_read(d, path, text, sizeof(text)))
		return false;
	*ret = strtoull(text, &end, 10);
	return end != text;
}

bool inlay_doctor_can(const struct inlay_doctor *d, unsigned int capability)
{
	char text[64];

	return inlay_doctor_field(d, "/proc/self/status", "CapEff", text, sizeof(text)) &&
	       strtoull(text, NULL, 16) >> capability & 1;
}

static void capability(const struct inlay_doctor *d, struct inlay_doctor_finding *f,
		       unsigned int number)
{
	if (inlay_doctor_can(d, number))
		inlay_found(f, OK, "this process has it");
	else
		inlay_found(f, NOTE, "this process does not have it");
}

/* ---- kernel and capabilities ---- */

void inlay_probe_kernel(struct inlay_doctor *d, struct inlay_doctor_finding *f)
{
	char text[128];

	if (inlay_doctor_read(d, "/proc/sys/kernel/osrelease", text, sizeof(text)))
		inlay_found(f, OK, "Linux %s", text);
	else
		inlay_found(f, NOTE, "/proc/sys/kernel/osrelease cannot be read");
}

void inlay_probe_net_admin(struct inlay_doctor *d, struct inlay_doctor_finding *f)
{
	capability(d, f, CAP_NET_ADMIN);
}

void inlay_probe_bpf(struct inlay_doctor *d, struct inlay_doctor_finding *f)
{
	capability(d, f, CAP_BPF);
}

void inlay_probe_net_raw(struct inlay_doctor *d, struct inlay_doctor_finding *f)
{
	capability(d, f, CAP_NET_RAW);
}

void inlay_probe_sys_resource(struct inlay_doctor *d, struct inlay_doctor_finding *f)
{
	capability(d, f, CAP_SYS_RESOURCE);
}

/* ---- processors ---- */

/* "avx" is not to be found in "avx512f". */
static bool has_word(const char *words, const char *word)
{
	size_t len = strlen(word);
	const char *at;

	for (at = strstr(words, word); at; at = strstr(at + 1, word))
		if ((at == words || at[-1] == ' ') && (at[len] == ' ' || !at[len]))
			return true;
	return false;
}

void inlay_probe_cpu(struct inlay_doctor *d, struct inlay_doctor_finding *f)
{
	static const char *const wanted[] = {"aes",	"pclmulqdq", "pmull",	  "avx2",
					     "avx512f", "vaes",	     "vpclmulqdq"};
	char flags[8192], has[128] = "";
	size_t i, n = 0;

	if (!inlay_doctor_field(d, "/proc/cpuinfo", "flags", flags, sizeof(flags)) &&
	    !inlay_doctor_field(d, "/proc/cpuinfo", "Features", flags, sizeof(flags))) {
		inlay_found(f, NOTE, "/proc/cpuinfo does not tell");
		return;
	}
	for (i = 0; i < INLAY_ARRAY_SIZE(wanted); i++)
		if (has_word(flags, wanted[i]))
			n += (size_t)snprintf(has + n, sizeof(has) - n, "%s%s", n ? " " : "",
					      wanted[i]);
	if (has_word(flags, "aes"))
		inlay_found(f, OK, "%s", has);
	else
		inlay_found(f, NOTE, "no AES instructions%s%s", n ? "; " : "", has);
}

static size_t count_cores(const struct inlay_doctor *d)
{
	FILE *file = open_below(d, "/proc/stat");
	char line[4096];
	size_t n = 0;

	while (file && fgets(line, sizeof(line), file))
		n += !strncmp(line, "cpu", 3) && line[3] >= '0' && line[3] <= '9';
	if (file)
		fclose(file);
	return n;
}

void inlay_probe_cores(struct inlay_doctor *d, struct inlay_doctor_finding *f)
{
	size_t n = count_cores(d);

	if (!n)
		inlay_found(f, NOTE, "/proc/stat cannot be read");
	else
		inlay_found(f, n > 1 ? OK : NOTE, "%zu", n);
}

void inlay_probe_governor(struct inlay_doctor *d, struct inlay_doctor_finding *f)
{
	char text[64];

	if (!inlay_doctor_read(d, "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", text,
			       sizeof(text)))
		inlay_found(f, OK, "frequencies are not this kernel's to set");
	else
		inlay_found(f, strcmp(text, "performance") ? NOTE : OK, "%s", text);
}

void inlay_probe_clock_source(struct inlay_doctor *d, struct inlay_doctor_finding *f)
{
	static const char *const fast[] = {"tsc",    "kvm-clock", "arch_sys_counter",
					   "hyperv", "timebase",  "riscv"};
	char text[64];
	size_t i;

	if (!inlay_doctor_read(d,
			       "/sys/devices/system/clocksource/clocksource0/current_clocksource",
			       text, sizeof(text))) {
		inlay_found(f, NOTE, "the kernel does not tell");
		return;
	}
	for (i = 0; i < INLAY_ARRAY_SIZE(fast); i++)
		if (!strncmp(text, fast[i], strlen(fast[i]))) {
			inlay_found(f, OK, "%s", text);
			return;
		}
	inlay_found(f, NOTE, "%s: each reading is a system call", text);
}

/* ---- network ---- */

static void buffer(const struct inlay_doctor *d, struct inlay_doctor_finding *f, const char *name)
{
	__u64 want = (__u64)d->config.socket_buffer_bytes, have;
	char path[64];

	snprintf(path, sizeof(path), "/proc/sys/net/core/%s", name);
	if (!read_number(d, path, &have)) {
		inlay_found(f, NOTE, "%s cannot be read", path);
		return;
	}
	inlay_fix(f, "sysctl -w net.core.%s=%llu", name, (unsigned long long)want);
	if (have >= want)
		inlay_found(f, OK, "%llu of %llu bytes", (unsigned long long)have,
			    (unsigned long long)want);
	else if (inlay_doctor_can(d, CAP_NET_ADMIN))
		inlay_found(f, OK, "%llu of %llu bytes, but CAP_NET_ADMIN goes past it",
			    (unsigned long long)have, (unsigned long long)want);
	else
		inlay_found(f, NOTE, "at most %llu bytes, %llu are configured",
			    (unsigned long long)have, (unsigned long long)want);
}

void inlay_probe_receive_buffer(struct inlay_doctor *d, struct inlay_doctor_finding *f)
{
	buffer(d, f, "rmem_max");
}

void inlay_probe_send_buffer(struct inlay_doctor *d, struct inlay_doctor_finding *f)
{
	buffer(d, f, "wmem_max");
}

void inlay_probe_ipv6(struct inlay_doctor *d, struct inlay_doctor_finding *f)
{
	__u64 off;

	if (!read_number(d, "/proc/sys/net/ipv6/conf/all/disable_ipv6", &off))
		inlay_found(f, NOTE, "the kernel has no IPv6");
	else
		inlay_found(f, off ? NOTE : OK, off ? "switched off" : "on");
}

void inlay_probe_conntrack(struct inlay_doctor *d, struct inlay_doctor_finding *f)
{
	__u64 count, most;

	if (!read_number(d, "/proc/sys/net/netfilter/nf_conntrack_count", &count) ||
	    !read_number(d, "/proc/sys/net/netfilter/nf_conntrack_max", &most))
		inlay_found(f, OK, "not in use");
	else
		inlay_found(f, count * 10 > most * 8 ? NOTE : OK, "%llu of %llu flows",
			    (unsigned long long)count, (unsigned long long)most);
}

void inlay_probe_rp_filter(struct inlay_doctor *d, struct inlay_doctor_finding *f)
{
	__u64 mode;

	if (!read_number(d, "/proc/sys/net/ipv4/conf/all/rp_filter", &mode))
		inlay_found(f, OK, "the kernel does not tell");
	else if (mode == 1)
		inlay_found(f, NOTE, "strict");
	else
		inlay_found(f, OK, "%s", mode ? "loose" : "off");
}

/* ---- what later placements want ---- */

void inlay_probe_hugepages(struct inlay_doctor *d, struct inlay_doctor_finding *f)
{
	char text[64] = "";
	__u64 n;

	inlay_doctor_field(d, "/proc/meminfo", "HugePages_Total", text, sizeof(text));
	n = strtoull(text, NULL, 10);
	if (n)
		inlay_found(f, OK, "%llu reserved", (unsigned long long)n);
	else
		inlay_found(f, NOTE, "none reserved");
}

void inlay_probe_btf(struct inlay_doctor *d, struct inlay_doctor_finding *f)
{
	FILE *file = open_below(d, "/sys/kernel/btf/vmlinux");

	inlay_found(f, file ? OK : NOTE,
		    file ? "/sys/kernel/btf/vmlinux" : "no /sys/kernel/btf/vmlinux");
	if (file)
		fclose(file);
}

void inlay_probe_bpffs(struct inlay_doctor *d, struct inlay_doctor_finding *f)
{
	FILE *file = open_below(d, "/proc/self/mounts");
	char line[2048], where[256], kind[64];
	bool there = false;

	while (file && !there && fgets(line, sizeof(line), file))
		there = sscanf(line, "%*s %255s %63s", where, kind) == 2 && !strcmp(kind, "bpf");
	if (file)
		fclose(file);
	if (there)
		inlay_found(f, OK, "at %s", where);
	else
		inlay_found(f, NOTE, "not mounted");
}

void inlay_probe_jit(struct inlay_doctor *d, struct inlay_doctor_finding *f)
{
	__u64 on;

	if (!read_number(d, "/proc/sys/net/core/bpf_jit_enable", &on))
		inlay_found(f, NOTE, "the kernel does not tell");
	else
		inlay_found(f, on ? OK : NOTE, on ? "on" : "off");
}

void inlay_probe_unprivileged_bpf(struct inlay_doctor *d, struct inlay_doctor_finding *f)
{
	__u64 off;

	if (!read_number(d, "/proc/sys/kernel/unprivileged_bpf_disabled", &off))
		inlay_found(f, OK, "the kernel does not tell");
	else
		inlay_found(f, off ? OK : NOTE, off ? "refused" : "allowed to every user");
}

/* ---- secrets ---- */

void inlay_probe_core_dumps(struct inlay_doctor *d, struct inlay_doctor_finding *f)
{
	__u64 mode;

	/* 1: even what is not dumpable is dumped, with its owner's rights. */
	if (!read_number(d, "/proc/sys/fs/suid_dumpable", &mode))
		inlay_found(f, OK, "the kernel does not tell; inlayd is not dumpable");
	else if (mode == 1)
		inlay_found(f, NOTE, "fs.suid_dumpable is 1");
	else
		inlay_found(f, OK, "inlayd is not dumpable, and keys are left out of dumps");
}

void inlay_probe_ptrace(struct inlay_doctor *d, struct inlay_doctor_finding *f)
{
	__u64 scope;

	if (!read_number(d, "/proc/sys/kernel/yama/ptrace_scope", &scope))
		inlay_found(f, OK, "no Yama; inlayd is not dumpable: only CAP_SYS_PTRACE attaches");
	else
		inlay_found(f, OK, "Yama's scope is %llu; inlayd is not dumpable",
			    (unsigned long long)scope);
}

void inlay_probe_swap(struct inlay_doctor *d, struct inlay_doctor_finding *f)
{
	char text[512];
	const char *second;

	if (!inlay_doctor_read(d, "/proc/swaps", text, sizeof(text))) {
		inlay_found(f, OK, "none");
		return;
	}
	second = strchr(text, '\n'); /* behind the heading */
	if (!second)
		inlay_found(f, OK, "none");
	else if (!d->keys_result && !strcmp(d->keys.backend, "ipsec-mb"))
		inlay_found(f, OK, "in use; every key is in locked memory");
	else
		inlay_found(f, NOTE, "in use, and libcrypto's expanded keys are not locked");
}

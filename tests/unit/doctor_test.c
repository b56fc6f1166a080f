/* SPDX-License-Identifier: BSD-2-Clause */
/* The doctor on hosts that do not exist: a folder stands for /proc and /sys, functions for what it
 * would try. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "doctor.h"

static char root[64];
static const struct inlay_doctor_row *rows;
static size_t n_rows;

/* ---- a host in good health ---- */

static const struct {
	const char *path, *text;
} healthy[] = {
	{"/proc/sys/kernel/osrelease", "6.1.0-test\n"},
	{"/proc/self/status", "Name:\tx\nVmLck:\t 0 kB\nCapEff:\tffffffffffffffff\n"},
	{"/proc/self/limits", "Max locked memory         8388608              8388608              "
			      "bytes     \n"},
	{"/proc/cpuinfo", "processor\t: 0\nflags\t\t: fpu aes avx2 vaes\n"},
	{"/proc/stat", "cpu  1 2\ncpu0 1 2\ncpu1 1 2\nintr 5\n"},
	{"/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "performance\n"},
	{"/sys/devices/system/clocksource/clocksource0/current_clocksource", "tsc\n"},
	{"/proc/sys/net/core/rmem_max", "8388608\n"},
	{"/proc/sys/net/core/wmem_max", "8388608\n"},
	{"/proc/sys/net/ipv6/conf/all/disable_ipv6", "0\n"},
	{"/proc/sys/net/netfilter/nf_conntrack_count", "10\n"},
	{"/proc/sys/net/netfilter/nf_conntrack_max", "1000\n"},
	{"/proc/sys/net/ipv4/conf/all/rp_filter", "2\n"},
	{"/proc/meminfo", "MemTotal: 1 kB\nHugePages_Total:     256\n"},
	{"/sys/kernel/btf/vmlinux", "x"},
	{"/proc/self/mounts", "proc /proc proc rw 0 0\nbpf /sys/fs/bpf bpf rw 0 0\n"},
	{"/proc/sys/net/core/bpf_jit_enable", "1\n"},
	{"/proc/sys/kernel/unprivileged_bpf_disabled", "2\n"},
	{"/proc/sys/fs/suid_dumpable", "0\n"},
	{"/proc/sys/kernel/yama/ptrace_scope", "1\n"},
	{"/proc/swaps", "Filename\tType\tSize\tUsed\tPriority\n"},
};

static void put(const char *path, const char *text)
{
	char full[512], *at;
	FILE *file;

	snprintf(full, sizeof(full), "%s%s", root, path);
	for (at = strchr(full + strlen(root) + 1, '/'); at; at = strchr(at + 1, '/')) {
		*at = 0;
		mkdir(full, 0700);
		*at = '/';
	}
	file = fopen(full, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void take_away(const char *path)
{
	char full[512];

	snprintf(full, sizeof(full), "%s%s", root, path);
	assert_int_equal(unlink(full), 0);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *walk)
{
	return remove(path);
}

static int make_host(void **state)
{
	strcpy(root, "/tmp/inlay-doctor-XXXXXX");
	if (!mkdtemp(root))
		return -1;
	for (size_t i = 0; i < INLAY_ARRAY_SIZE(healthy); i++)
		put(healthy[i].path, healthy[i].text);
	n_rows = inlay_doctor_rows(&rows);
	return 0;
}

static int remove_host(void **state)
{
	return nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* What a try returns; one is made to fail. */
static int fails[16];
enum { GSO, GRO, DROPS, FRAGMENTS, ECN, RANDOM, CLOCK, KEYS, BIND, ANSWERS, CERTIFICATE };

static int try_gso(void)
{
	return fails[GSO];
}

static int try_gro(void)
{
	return fails[GRO];
}

static int try_drops(void)
{
	return fails[DROPS];
}

static int try_fragments(void)
{
	return fails[FRAGMENTS];
}

static int try_ecn(void)
{
	return fails[ECN];
}

static int try_random(void)
{
	return fails[RANDOM];
}

static int try_clock(void)
{
	return fails[CLOCK];
}

static int try_keys(const struct inlay_config *config, struct inlay_doctor_keys *ret)
{
	if (!fails[KEYS])
		*ret = (struct inlay_doctor_keys){.locked_bytes =
							  4096 * (__u64)config->max_connections,
						  .backend = "ipsec-mb"};
	return fails[KEYS];
}

static int try_bind(const struct inlay_addr *addr)
{
	return fails[BIND];
}

static int try_answers(const char *path)
{
	return fails[ANSWERS];
}

static int try_certificate(const struct inlay_config *config, char *err, size_t room)
{
	if (fails[CERTIFICATE])
		snprintf(err, room, "%s: expired", config->certificate);
	return fails[CERTIFICATE];
}

static const struct inlay_doctor_tries tries = {
	.gso = try_gso,
	.gro = try_gro,
	.drop_counter = try_drops,
	.no_fragments = try_fragments,
	.ecn = try_ecn,
	.random = try_random,
	.clock_synchronised = try_clock,
	.keys = try_keys,
	.bind = try_bind,
	.answers = try_answers,
	.certificate = try_certificate,
};

static struct inlay_doctor_finding findings[INLAY_DOCTOR_ROWS_MAX];

static struct inlay_doctor doctor(void)
{
	struct inlay_doctor d = {.root = root, .tries = &tries};

	inlay_config_default(&d.config);
	return d;
}

static const struct inlay_doctor_finding *found(const char *name)
{
	for (size_t i = 0; i < n_rows; i++)
		if (!strcmp(rows[i].name, name))
			return &findings[i];
	fail_msg("no row is named %s", name);
	return NULL;
}

/* The row's state, and that no other row than |name| is other than ok. */
static void expect_only(const char *name, enum inlay_doctor_state state)
{
	struct inlay_doctor d = doctor();
	size_t lacking = inlay_doctor_examine(&d, findings);

	assert_int_equal(lacking, state == INLAY_DOCTOR_LACKS);
	for (size_t i = 0; i < n_rows; i++) {
		enum inlay_doctor_state want =
			!strcmp(rows[i].name, name) ? state : INLAY_DOCTOR_OK;

		if (findings[i].state != want)
			fail_msg("%s: %d, not %d: %s", rows[i].name, findings[i].state, want,
				 findings[i].found);
		assert_true(findings[i].found[0]);
		assert_int_equal(!findings[i].fix[0], want == INLAY_DOCTOR_OK);
		assert_null(strchr(findings[i].found, '\n'));
		assert_null(strchr(findings[i].fix, '\n'));
	}
	found(name);
}

/* ---- tests ---- */

static void a_healthy_host_lacks_nothing(void **state)
{
	expect_only("kernel", INLAY_DOCTOR_OK);
}

static void every_row_says_why_and_how_to_mend_it(void **state)
{
	for (size_t i = 0; i < n_rows; i++) {
		assert_true(strlen(rows[i].name) < 18);
		assert_true(rows[i].why[0] && rows[i].fix[0]);
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(rows[i].name, rows[k].name);
	}
}

static void each_file_is_judged(void **state)
{
	static const struct {
		const char *row, *path, *text; /* NULL: the file is not there */
	} ills[] = {
		{"kernel", "/proc/sys/kernel/osrelease", NULL},
		{"CPU", "/proc/cpuinfo", "flags : fpu avx2 aesni\n"},
		{"CPU", "/proc/cpuinfo", NULL},
		{"cores", "/proc/stat", "cpu  1 2\ncpu0 1 2\n"},
		{"CPU governor", "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor",
		 "powersave\n"},
		{"clock source", "/sys/devices/system/clocksource/clocksource0/current_clocksource",
		 "hpet\n"},
		{"IPv6", "/proc/sys/net/ipv6/conf/all/disable_ipv6", "1\n"},
		{"IPv6", "/proc/sys/net/ipv6/conf/all/disable_ipv6", NULL},
		{"conntrack", "/proc/sys/net/netfilter/nf_conntrack_count", "900\n"},
		{"rp_filter", "/proc/sys/net/ipv4/conf/all/rp_filter", "1\n"},
		{"hugepages", "/proc/meminfo", "HugePages_Total:       0\n"},
		{"BTF", "/sys/kernel/btf/vmlinux", NULL},
		{"bpffs", "/proc/self/mounts", "proc /proc proc rw 0 0\n"},
		{"BPF JIT", "/proc/sys/net/core/bpf_jit_enable", "0\n"},
		{"unprivileged BPF", "/proc/sys/kernel/unprivileged_bpf_disabled", "0\n"},
		{"core dumps", "/proc/sys/fs/suid_dumpable", "1\n"},
	};

	for (size_t i = 0; i < INLAY_ARRAY_SIZE(ills); i++) {
		if (ills[i].text)
			put(ills[i].path, ills[i].text);
		else
			take_away(ills[i].path);
		expect_only(ills[i].row, INLAY_DOCTOR_NOTE);
		for (size_t k = 0; k < INLAY_ARRAY_SIZE(healthy); k++)
			if (!strcmp(healthy[k].path, ills[i].path))
				put(healthy[k].path, healthy[k].text);
	}
	expect_only("kernel", INLAY_DOCTOR_OK);
}

static void each_try_is_judged(void **state)
{
	static const struct {
		const char *row;
		int try, error;
		enum inlay_doctor_state state;
	} ills[] = {
		{"UDP GSO", GSO, -EOPNOTSUPP, INLAY_DOCTOR_NOTE},
		{"UDP GRO", GRO, -ENOPROTOOPT, INLAY_DOCTOR_NOTE},
		{"drop counter", DROPS, -ENOPROTOOPT, INLAY_DOCTOR_LACKS},
		{"no fragments", FRAGMENTS, -ENOPROTOOPT, INLAY_DOCTOR_LACKS},
		{"ECN", ECN, -ENOPROTOOPT, INLAY_DOCTOR_LACKS},
		{"random numbers", RANDOM, -EAGAIN, INLAY_DOCTOR_LACKS},
		{"time", CLOCK, -ESTALE, INLAY_DOCTOR_NOTE},
		{"time", CLOCK, -EPERM, INLAY_DOCTOR_NOTE},
		{"ports", BIND, -EACCES, INLAY_DOCTOR_LACKS},
		{"ports", BIND, -EADDRNOTAVAIL, INLAY_DOCTOR_LACKS},
	};

	for (size_t i = 0; i < INLAY_ARRAY_SIZE(ills); i++) {
		fails[ills[i].try] = ills[i].error;
		expect_only(ills[i].row, ills[i].state);
		fails[ills[i].try] = 0;
	}
}

static void a_port_in_use_by_inlayd_itself_is_well(void **state)
{
	fails[BIND] = -EADDRINUSE;
	expect_only("ports", INLAY_DOCTOR_OK);
	fails[ANSWERS] = -ECONNREFUSED;
	expect_only("ports", INLAY_DOCTOR_LACKS);
	fails[BIND] = fails[ANSWERS] = 0;
}

static void capabilities_are_notes_each(void **state)
{
	static const struct {
		const char *row, *effective;
	} lost[] = {
		{"CAP_NET_ADMIN", "ffffffffffffefff"},
		{"CAP_NET_RAW", "ffffffffffffdfff"},
		{"CAP_SYS_RESOURCE", "fffffffffeffffff"},
		{"CAP_BPF", "ffffff7fffffffff"},
	};
	char text[64];

	for (size_t i = 0; i < INLAY_ARRAY_SIZE(lost); i++) {
		snprintf(text, sizeof(text), "CapEff:\t%s\n", lost[i].effective);
		put("/proc/self/status", text);
		expect_only(lost[i].row, INLAY_DOCTOR_NOTE);
	}
}

static void small_socket_buffers_matter_to_who_cannot_pass_the_limit(void **state)
{
	struct inlay_doctor d = doctor();

	put("/proc/sys/net/core/rmem_max", "212992\n");
	expect_only("receive buffer", INLAY_DOCTOR_OK); /* CAP_NET_ADMIN */
	put("/proc/self/status", "CapEff:\tffffffffffffefff\n");
	assert_int_equal(inlay_doctor_examine(&d, findings), 0);
	assert_int_equal(found("receive buffer")->state, INLAY_DOCTOR_NOTE);
	assert_string_equal(found("receive buffer")->fix, "sysctl -w net.core.rmem_max=4194304");
	assert_int_equal(found("send buffer")->state, INLAY_DOCTOR_OK);
}

static void locked_memory_is_held_against_the_configured_connections(void **state)
{
	struct inlay_doctor d = doctor();

	/* No CAP_IPC_LOCK: the limit of 8 MiB holds. */
	put("/proc/self/status", "CapEff:\tffffffffffffbfff\n");
	expect_only("locked memory", INLAY_DOCTOR_OK); /* 1024 at 4 KiB */
	d.config.max_connections = 4096;
	assert_int_equal(inlay_doctor_examine(&d, findings), 1);
	assert_int_equal(found("locked memory")->state, INLAY_DOCTOR_LACKS);
	assert_non_null(strstr(found("locked memory")->fix, "ulimit -l 16384"));
	put("/proc/self/limits", "Max locked memory   65536   unlimited   bytes\n");
	assert_int_equal(inlay_doctor_examine(&d, findings), 0);
	fails[KEYS] = -EPERM;
	assert_int_equal(inlay_doctor_examine(&d, findings), 1);
	assert_int_equal(found("locked memory")->state, INLAY_DOCTOR_LACKS);
	fails[KEYS] = 0;
}

static void a_backend_that_is_not_there_is_lacking(void **state)
{
	struct inlay_doctor d = doctor();

	fails[KEYS] = -ENOTSUP;
	assert_int_equal(inlay_doctor_examine(&d, findings), 1);
	assert_int_equal(found("crypto backend")->state, INLAY_DOCTOR_LACKS);
	fails[KEYS] = -EBADMSG;
	assert_int_equal(inlay_doctor_examine(&d, findings), 1);
	assert_non_null(strstr(found("crypto backend")->found, "self-test"));
	fails[KEYS] = 0;
}

static void swap_is_well_where_all_keys_are_locked(void **state)
{
	struct inlay_doctor d = doctor();

	put("/proc/swaps", "Filename Type\n/dev/sda2 partition\n");
	expect_only("swap", INLAY_DOCTOR_OK);
	fails[KEYS] = -EPERM;
	inlay_doctor_examine(&d, findings);
	assert_int_equal(found("swap")->state, INLAY_DOCTOR_NOTE);
	fails[KEYS] = 0;
}

static void a_configuration_is_judged_with_its_files(void **state)
{
	struct inlay_doctor d = doctor();
	char key[128];

	put("/key.pem", "secret");
	snprintf(key, sizeof(key), "%s/key.pem", root);
	d.config_file = "some.yaml";
	snprintf(d.config.key, sizeof(d.config.key), "%s", key);
	chmod(key, 0600);
	assert_int_equal(inlay_doctor_examine(&d, findings), 0);
	chmod(key, 0644);
	assert_int_equal(inlay_doctor_examine(&d, findings), 1);
	assert_int_equal(found("private key")->state, INLAY_DOCTOR_LACKS);
	assert_non_null(strstr(found("private key")->fix, "chmod 600"));
	chmod(key, 0640); /* a group may read it */
	assert_int_equal(inlay_doctor_examine(&d, findings), 0);
	fails[CERTIFICATE] = -ETIME;
	assert_int_equal(inlay_doctor_examine(&d, findings), 1);
	assert_int_equal(found("certificate")->state, INLAY_DOCTOR_LACKS);
	fails[CERTIFICATE] = 0;
	unlink(key);
	assert_int_equal(inlay_doctor_examine(&d, findings), 1);
	d.config_error = "some.yaml:3: unknown key";
	assert_int_equal(inlay_doctor_examine(&d, findings), 1);
	assert_string_equal(found("configuration")->found, "some.yaml:3: unknown key");
	assert_int_equal(found("private key")->state, INLAY_DOCTOR_NOTE);
	assert_int_equal(found("certificate")->state, INLAY_DOCTOR_NOTE);
}

static void logs_need_a_directory_that_can_be_written(void **state)
{
	struct inlay_doctor d = doctor();

	snprintf(d.config.qlog.directory, sizeof(d.config.qlog.directory), "%s", root);
	assert_int_equal(inlay_doctor_examine(&d, findings), 0);
	strcat(d.config.qlog.directory, "/nowhere");
	assert_int_equal(inlay_doctor_examine(&d, findings), 1);
	assert_int_equal(found("qlog directory")->state, INLAY_DOCTOR_LACKS);
	put("/nowhere", "a file");
	assert_int_equal(inlay_doctor_examine(&d, findings), 1);
	assert_int_equal(found("qlog directory")->state, INLAY_DOCTOR_LACKS);
}

static void a_host_that_tells_nothing_is_no_ill_host(void **state)
{
	struct inlay_doctor d = doctor();

	d.root = "/nowhere";
	assert_int_equal(inlay_doctor_examine(&d, findings), 0);
}

static void json_has_every_row(void **state)
{
	struct inlay_doctor d = doctor();
	json_t *o, *checks;

	fails[RANDOM] = -EAGAIN;
	inlay_doctor_examine(&d, findings);
	fails[RANDOM] = 0;
	o = inlay_doctor_json(findings);
	assert_non_null(o);
	assert_true(json_is_false(json_object_get(o, "ok")));
	checks = json_object_get(o, "checks");
	assert_int_equal(json_array_size(checks), n_rows);
	for (size_t i = 0; i < n_rows; i++) {
		json_t *one = json_array_get(checks, i);

		assert_string_equal(json_string_value(json_object_get(one, "name")), rows[i].name);
		assert_string_equal(json_string_value(json_object_get(one, "why")), rows[i].why);
		assert_true(json_is_string(json_object_get(one, "state")));
	}
	json_decref(o);
}

/* This host, as it is: whatever it has, every probe comes to an end and says something. */
static void the_real_tries_say_something(void **state)
{
	struct inlay_doctor d = doctor();

	d.root = "";
	d.tries = &inlay_doctor_real_tries;
	d.config.max_connections = 4;
	inlay_doctor_examine(&d, findings);
	for (size_t i = 0; i < n_rows; i++)
		assert_true(findings[i].found[0]);
	assert_string_equal(found("no fragments")->found, "works");
	assert_true(d.keys_result || d.keys.backend[0]);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, make_host, remove_host)
	const struct CMUnitTest tests[] = {
		TEST(a_healthy_host_lacks_nothing),
		TEST(every_row_says_why_and_how_to_mend_it),
		TEST(each_file_is_judged),
		TEST(each_try_is_judged),
		TEST(a_port_in_use_by_inlayd_itself_is_well),
		TEST(capabilities_are_notes_each),
		TEST(small_socket_buffers_matter_to_who_cannot_pass_the_limit),
		TEST(locked_memory_is_held_against_the_configured_connections),
		TEST(a_backend_that_is_not_there_is_lacking),
		TEST(swap_is_well_where_all_keys_are_locked),
		TEST(a_configuration_is_judged_with_its_files),
		TEST(logs_need_a_directory_that_can_be_written),
		TEST(a_host_that_tells_nothing_is_no_ill_host),
		TEST(json_has_every_row),
		TEST(the_real_tries_say_something),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

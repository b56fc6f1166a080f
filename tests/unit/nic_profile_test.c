/* SPDX-License-Identifier: BSD-2-Clause */
/* NIC profiles: the loader, what it refuses, how devices are recognised, and those that are
 * shipped. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "profile.h"
#include "profile_schema.h"

static char err[INLAY_NIC_ERROR];

/* --- A whole profile, with one thing other -------------------------------------------------------
 */

/* The text of a shipped profile, with the first |from| in it made |to|. The caller frees it. */
static char *profile_with(const char *name, const char *from, const char *to)
{
	char path[4096], *text = calloc(1, 1 << 17), *ret, *at;
	FILE *f;

	assert_non_null(text);
	snprintf(path, sizeof(path), "%s/%s.yaml", getenv("INLAY_NIC_PROFILES"), name);
	f = fopen(path, "r");
	assert_non_null(f);
	assert_true(fread(text, 1, (1 << 17) - 1, f) > 0);
	fclose(f);
	at = strstr(text, from);
	assert_non_null(at);
	ret = malloc(strlen(text) + strlen(to) + 1);
	assert_non_null(ret);
	sprintf(ret, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
	free(text);
	return ret;
}

/* Refused, with each of the parts in the error. */
static void refused(const char *name, const char *from, const char *to, const char *where,
		    const char *why)
{
	struct inlay_nic_profile *profile = NULL;
	char *text = profile_with(name, from, to);

	*err = '\0';
	assert_int_equal(inlay_nic_profile_parse("nic.yaml", text, strlen(text), &profile, err),
			 -EINVAL);
	if (!strstr(err, where) || !strstr(err, why))
		fail_msg("'%s' lacks '%s' or '%s'", err, where, why);
	assert_null(strchr(err, '\n'));
	assert_null(profile);
	free(text);
}

static void what_is_wrong_with_a_profile_is_said_with_file_line_and_key(void **state)
{
	const char *n = "netdevsim";

	refused(n, "title:", "titel:", "nic.yaml:5: titel", "did you mean title?");
	refused(n, "title: \"", "name: \"", "nic.yaml:5: name", "given twice; first on line 4");
	refused(n, "xdp_native: {value: ask", "xdp_native: {value: maybe",
		"capabilities.xdp_native.value", "none of: unknown, no, yes, ask");
	refused(n, "drivers: [netdevsim]", "drivers: []", "nic.yaml:10: match.drivers",
		"an empty list");
	refused(n, "drivers: [netdevsim]", "pci: [\"8086:1\"]", "match", "lacks drivers");
	refused(n, "drivers: [netdevsim]", "drivers: [a]\n  pci: [8086-1592]", "match.pci",
		"'8086-1592' is not vendor:device");
	refused(n, "drivers: [netdevsim]", "drivers: [a]\n  pci: [\"80861:1592\"]", "match.pci",
		"is not vendor:device");
	refused(n, "map_flags: {value: 0", "map_flags: {value: -1", "ebpf.map_flags.value",
		"out of range");
	refused(n, "map_flags: {value: 0", "map_flags: {value: some", "ebpf.map_flags.value",
		"none of: unknown, none, ask");
	refused(n, "programs: [xdp, sched_cls]", "programs: [xdp, lsm]", "ebpf.programs",
		"'lsm' is none of: xdp, sched_cls");
	refused(n, "map_types: [array, hash, perf_event_array]", "opcodes: [0x07, 7]",
		"ebpf.opcodes", "'7' is not an opcode");
	refused(n, "map_types: [array, hash, perf_event_array]", "opcodes: [0x107]", "ebpf.opcodes",
		"'0x107' is not an opcode");
	refused(n, "provider: softnic", "provider: softnic\n    needs: [warp]", "prefer.needs",
		"'warp' is none of");
	refused("nfp-cx", "rules: [helper_stack_pointer", "rules: [be_nice", "ebpf.rules",
		"'be_nice' is none of");
	refused("nfp-cx", "rules: [helper_stack_pointer", "rules: [opcode", "ebpf.rules",
		"'opcode' is none of");
	refused(n, "    hook: tc\n", "", "prefer", "lacks hook");
}

static void a_profile_that_is_empty_or_no_yaml_is_refused(void **state)
{
	struct inlay_nic_profile *profile;

	assert_int_equal(inlay_nic_profile_parse("a", "", 0, &profile, err), -EINVAL);
	assert_string_equal(err, "a: empty");
	assert_int_equal(inlay_nic_profile_parse("a", "{}", 2, &profile, err), -EINVAL);
	assert_string_equal(err, "a:1: name is missing");
	assert_int_equal(inlay_nic_profile_parse("a", "name: [", 7, &profile, err), -EINVAL);
	assert_int_equal(inlay_nic_profile_parse("a", "- name\n", 7, &profile, err), -EINVAL);
	assert_int_equal(inlay_nic_profile_load("/nowhere/a.yaml", &profile, err), -ENOENT);
	assert_non_null(strstr(err, "/nowhere/a.yaml: No such file"));
}

static void every_capability_must_be_given(void **state)
{
	char from[64], to[64], why[64];

	for (int i = 0; i < INLAY_NIC_N_CAPS; i++) {
		snprintf(from, sizeof(from), "  %s: {", inlay_nic_cap_name(i));
		snprintf(to, sizeof(to), "  # %s: {", inlay_nic_cap_name(i));
		snprintf(why, sizeof(why), "lacks %s", inlay_nic_cap_name(i));
		/* Of those that stand on one line. */
		if (!strncmp(inlay_nic_cap_name(i), "quic", 4) ||
		    !strcmp(inlay_nic_cap_name(i), "flow_mark"))
			refused("netdevsim", from, to, "capabilities", why);
	}
}

/* --- What a profile says ----------------------------------------------------------------------
 */

static void a_profile_is_what_its_file_says(void **state)
{
	struct inlay_nic_profile *p;

	assert_int_equal(inlay_nic_profile_find("netdevsim", &p, err), 0);
	assert_string_equal(p->name, "netdevsim");
	assert_string_equal(p->title, "netdevsim (simulated)");
	assert_int_equal(p->caps[INLAY_NIC_CAP_xdp_offload].answer, INLAY_NIC_YES);
	assert_int_equal(p->caps[INLAY_NIC_CAP_xdp_native].answer, INLAY_NIC_ASK);
	assert_int_equal(p->caps[INLAY_NIC_CAP_psp].answer, INLAY_NIC_NO);
	assert_non_null(strstr(p->caps[INLAY_NIC_CAP_psp].source, "psp.c"));
	assert_true(p->has_ebpf && p->ebpf.programs_xdp && p->ebpf.programs_tc);
	assert_int_equal(p->ebpf.n_map_types, 3);
	assert_string_equal(p->ebpf.map_types[1], "hash");
	assert_int_equal(p->ebpf.map_entries_each.kind, INLAY_NIC_LIMIT_NUMBER);
	assert_int_equal(p->ebpf.map_entries_each.number, 2);
	assert_int_equal(p->ebpf.maps.kind, INLAY_NIC_LIMIT_NONE);
	assert_true(p->ebpf.opcodes[0] && p->ebpf.opcodes[255]); /* all: it lists none */
	inlay_nic_profile_free(p);
}

static void a_profile_that_is_not_there_names_those_that_are(void **state)
{
	struct inlay_nic_profile *p;

	assert_int_equal(inlay_nic_profile_find("nonesuch", &p, err), -ENOENT);
	assert_non_null(strstr(err, "no profile 'nonesuch'; there are:"));
	assert_non_null(strstr(err, " netdevsim"));
	/* A beginning of a name is no name. */
	assert_int_equal(inlay_nic_profile_find("netdev", &p, err), -ENOENT);
	assert_int_equal(inlay_nic_profile_find("/nonesuch/a.yaml", &p, err), -ENOENT);
}

static void a_folder_that_is_not_there_is_said(void **state)
{
	struct inlay_nic_profiles all;

	assert_int_equal(inlay_nic_profiles_load("/nonesuch", &all, err), -ENOENT);
	assert_non_null(strstr(err, "no NIC profiles in /nonesuch"));
}

/* --- Those that are shipped -------------------------------------------------------------------
 */

static const char *best_name(const struct inlay_nic_profiles *all,
			     const struct inlay_nic_identity *identity)
{
	const struct inlay_nic_profile *best = inlay_nic_profiles_best(all, identity);

	return best ? best->name : "none";
}

static void devices_are_recognised(void **state)
{
	static const struct {
		const char *driver, *board, *firmware;
		__u16 vendor, device;
		const char *profile;
	} devices[] = {
		{"netdevsim", "", "", 0, 0, "netdevsim"},
		{"veth", "", "", 0, 0, "software"},
		{"", "", "", 0, 0, "software"},
		{"nfp", "AMDA0099-0001", "0.0.3.5 0.25 bpf-2.0.6.124 ebpf", 0x19ee, 0x4000,
		 "nfp-cx"},
		{"nfp", "AMDA0058-0011", "", 0x19ee, 0x6000, "nfp-lx"},
		{"nfp", "", "", 0x19ee, 0x4000, "nfp-cx"}, /* the board is not told */
		{"nfp", "AMDA0145-0001", "", 0x19ee, 0x3800, "software"},
		{"mlx5_core", "", "", 0x15b3, 0x1017, "connectx-5"},
		{"mlx5_core", "", "", 0x15b3, 0x101d, "connectx-6-dx"},
		{"mlx5_core", "", "", 0x15b3, 0x1021, "connectx-7"},
		{"mlx5_core", "", "", 0x15b3, 0xa2d6, "bluefield-2"},
		{"mlx5_core", "", "", 0x15b3, 0xa2dc, "bluefield-3"},
		{"mlx5_core", "", "", 0x15b3, 0x1013, "software"}, /* nobody has described it */
		{"ice", "", "", 0x8086, 0x1592, "e810"},
		{"bnxt_en", "", "", 0x14e4, 0x1750, "thor"},
		{"bnxt_en", "", "", 0x14e4, 0x1760, "thor"},
	};
	struct inlay_nic_profiles all;

	assert_int_equal(inlay_nic_profiles_load(NULL, &all, err), 0);
	for (size_t i = 0; i < INLAY_ARRAY_SIZE(devices); i++) {
		struct inlay_nic_identity identity = {.driver = devices[i].driver,
						      .board = devices[i].board,
						      .firmware = devices[i].firmware,
						      .pci_vendor = devices[i].vendor,
						      .pci_device = devices[i].device};

		assert_string_equal(best_name(&all, &identity), devices[i].profile);
	}
	inlay_nic_profiles_fini(&all);
}

static void firmware_that_runs_no_programs_is_told_from_firmware_that_does(void **state)
{
	struct inlay_nic_identity identity = {.driver = "nfp", .firmware = "0.0.3.5 0.25 ebpf"};
	struct inlay_nic_profile *p;

	assert_int_equal(inlay_nic_profile_find("nfp-cx", &p, err), 0);
	assert_true(inlay_nic_profile_firmware_fits(p, &identity));
	identity.firmware = "0.0.5.5 0.30 nic-2.1.16.1 flower";
	assert_false(inlay_nic_profile_firmware_fits(p, &identity));
	identity.firmware = NULL;
	assert_true(inlay_nic_profile_firmware_fits(p, &identity));
	inlay_nic_profile_free(p);
}

static void what_a_nic_that_runs_ebpf_takes_is_what_its_file_says(void **state)
{
	struct inlay_nic_profile *p;
	size_t n = 0;

	assert_int_equal(inlay_nic_profile_find("nfp-lx", &p, err), 0);
	for (int i = 0; i < 256; i++)
		n += p->ebpf.opcodes[i];
	assert_int_equal(n, 115);
	assert_true(p->ebpf.opcodes[0xde] && !p->ebpf.opcodes[0x97] && !p->ebpf.opcodes[0xd4]);
	assert_int_equal(p->ebpf.n_tc_returns, 4);
	assert_int_equal(p->ebpf.tc_returns[0], -1);
	assert_int_equal(p->ebpf.n_helpers, 7);
	assert_string_equal(p->ebpf.helpers[0].name, "map_lookup_elem");
	assert_int_equal(p->ebpf.helpers[0].value.answer, INLAY_NIC_ASK);
	assert_int_equal(p->ebpf.stack_bytes.kind, INLAY_NIC_LIMIT_UNKNOWN);
	inlay_nic_profile_free(p);
}

static void every_shipped_profile_ends_in_what_works_everywhere(void **state)
{
	struct inlay_nic_profiles all;

	assert_int_equal(inlay_nic_profiles_load(NULL, &all, err), 0);
	assert_int_equal(all.n, 11);
	for (size_t i = 0; i < all.n; i++) {
		const struct inlay_nic_profile *p = all.list[i];
		const struct inlay_nic_choice *last = &p->prefer[p->n_prefer - 1];

		assert_int_equal(last->placement, INLAY_NIC_PLACE_CONVENTIONAL);
		assert_int_equal(last->n_needs, 0);
		/* A program that runs on the NIC keeps to limits that are said. */
		if (p->caps[INLAY_NIC_CAP_xdp_offload].answer != INLAY_NIC_NO &&
		    strcmp(p->name, "software"))
			assert_true(p->has_ebpf);
	}
	inlay_nic_profiles_fini(&all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_wrong_with_a_profile_is_said_with_file_line_and_key),
		cmocka_unit_test(a_profile_that_is_empty_or_no_yaml_is_refused),
		cmocka_unit_test(every_capability_must_be_given),
		cmocka_unit_test(a_profile_is_what_its_file_says),
		cmocka_unit_test(a_profile_that_is_not_there_names_those_that_are),
		cmocka_unit_test(a_folder_that_is_not_there_is_said),
		cmocka_unit_test(devices_are_recognised),
		cmocka_unit_test(firmware_that_runs_no_programs_is_told_from_firmware_that_does),
		cmocka_unit_test(what_a_nic_that_runs_ebpf_takes_is_what_its_file_says),
		cmocka_unit_test(every_shipped_profile_ends_in_what_works_everywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The checker against compiled objects: one for each rule, that breaks it and no other; some that
 * break none; the forwarder; what no checker should fall over.
 * usage: check_test FOLDER_OF_OBJECTS FORWARDER
 */
#include <elf.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "check.h"

static const char *folder, *forwarder;
static struct inlay_nic_profile *profile; /* an nfp of which everything is known */
static char err[INLAY_NIC_ERROR];

/* --- Objects -----------------------------------------------------------------------------------
 */

struct bytes {
	__u8 *data;
	size_t len;
};

#define ROOM (4u << 20)

static struct bytes read_file(const char *path)
{
	struct bytes b = {.data = malloc(ROOM)};
	FILE *f = fopen(path, "rb");

	assert_non_null(b.data);
	if (!f)
		fail_msg("%s is not there", path);
	b.len = fread(b.data, 1, ROOM, f);
	fclose(f);
	return b;
}

static struct bytes read_object(const char *name)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s.o", folder, name);
	return read_file(path);
}

static void set(struct inlay_nic_limit *limit, __s64 number)
{
	limit->kind = INLAY_NIC_LIMIT_NUMBER;
	limit->number = number;
}

/* What firmware says of itself when it runs: no device is asked here. */
static int load_profile(void **state)
{
	struct inlay_nic_ebpf *e;

	if (inlay_nic_profile_find("nfp-cx", &profile, err)) {
		fprintf(stderr, "%s\n", err);
		return -1;
	}
	e = &profile->ebpf;
	set(&e->stack_bytes, 256);
	set(&e->packet_offset_bytes, 128);
	set(&e->map_entry_bytes, 96);
	set(&e->map_entries_each, 1000);
	set(&e->map_entries, 1500);
	set(&e->maps, 3);
	e->queue_select.answer = INLAY_NIC_YES;
	for (size_t i = 0; i < e->n_helpers; i++)
		e->helpers[i].value.answer = INLAY_NIC_YES;
	return 0;
}

static int free_profile(void **state)
{
	inlay_nic_profile_free(profile);
	return 0;
}

/* --- One rule each -----------------------------------------------------------------------------
 */

static void check_one(enum inlay_nic_rule rule, const char *name)
{
	struct inlay_nic_ebpf saved = profile->ebpf;
	struct inlay_nic_report report;
	struct bytes b;

	/* An object that is large for one rule is not to be for another. */
	if (rule == INLAY_NIC_RULE_bpf_instructions || rule == INLAY_NIC_RULE_analysis_limit)
		profile->ebpf.device_instructions.kind = INLAY_NIC_LIMIT_NONE;
	if (rule == INLAY_NIC_RULE_bpf_call)
		profile->ebpf.bpf_calls.answer = INLAY_NIC_NO;
	b = read_object(name);
	assert_int_equal(inlay_nic_check(profile, b.data, b.len, &report, err), 0);
	profile->ebpf = saved;
	for (__u32 i = 0; i < report.n_findings; i++) {
		const struct inlay_nic_finding *f = &report.findings[i];

		if (f->rule != rule || f->level != INLAY_NIC_REFUSED)
			fail_msg("%s: %s at %s %lld: %s", name, inlay_nic_rules[f->rule].id,
				 f->function, (long long)f->insn, f->detail);
		/* What is an instruction's has its line. */
		if (f->insn >= 0)
			assert_true(strstr(f->file, "objects.bpf.c") && f->line > 0);
	}
	if (!report.refused[rule])
		fail_msg("%s is not found in an object that breaks it", inlay_nic_rules[rule].id);
	inlay_nic_report_fini(&report);
	free(b.data);
}

static void each_rule_is_found_in_an_object_that_breaks_it_alone(void **state)
{
	size_t n = 0;

	for (int rule = 0; rule < INLAY_NIC_N_RULES; rule++) {
		char name[64];

		if (inlay_nic_rules[rule].how == INLAY_NIC_HOW_NOT)
			continue;
		snprintf(name, sizeof(name), "rule_%s", inlay_nic_rules[rule].id);
		check_one(rule, name);
		n++;
	}
	assert_true(n >= 45);
}

static void what_the_verifier_does_not_know_the_checker_does_not_either(void **state)
{
	check_one(INLAY_NIC_RULE_multiply_range, "also_multiply_range_quotient");
	check_one(INLAY_NIC_RULE_multiply_range, "also_multiply_range_swapped");
	check_one(INLAY_NIC_RULE_multiply_range, "also_multiply_range_pointer");
}

static void programs_of_one_object_share_the_words_of_its_maps(void **state)
{
	check_one(INLAY_NIC_RULE_map_use_mixed, "also_map_use_mixed_programs");
	check_one(INLAY_NIC_RULE_map_use_mixed, "also_map_use_mixed_either");
	check_one(INLAY_NIC_RULE_update_atomic_value, "also_update_atomic_value_programs");
}

static void variables_that_tell_of_the_kernel_are_a_map(void **state)
{
	check_one(INLAY_NIC_RULE_direct_values, "also_direct_values_kconfig");
}

static void objects_that_break_no_rule_fit(void **state)
{
	static const char *const names[] = {"fits_xdp", "fits_tc", "fits_calls", "fits_relay"};
	struct inlay_nic_report report;

	for (size_t i = 0; i < INLAY_ARRAY_SIZE(names); i++) {
		struct bytes b = read_object(names[i]);

		assert_int_equal(inlay_nic_check(profile, b.data, b.len, &report, err), 0);
		if (report.n_findings)
			fail_msg("%s: %s at %s %lld: %s", names[i],
				 inlay_nic_rules[report.findings[0].rule].id,
				 report.findings[0].function, (long long)report.findings[0].insn,
				 report.findings[0].detail);
		assert_int_equal(report.n_refused, 0);
		assert_int_equal(report.n_programs, 1);
		inlay_nic_report_fini(&report);
		free(b.data);
	}
}

static void what_a_program_takes_is_told(void **state)
{
	struct bytes b = read_object("fits_calls");
	struct inlay_nic_report report;

	assert_int_equal(inlay_nic_check(profile, b.data, b.len, &report, err), 0);
	assert_string_equal(report.programs[0].name, "program");
	assert_string_equal(report.programs[0].section, "xdp");
	/* 20 bytes of the program's own in a frame of 64; calls of functions that have none. */
	assert_int_equal(report.programs[0].stack_bytes, 64 + 4);
	inlay_nic_report_fini(&report);
	free(b.data);
	b = read_object("rule_packet_offset");
	assert_int_equal(inlay_nic_check(profile, b.data, b.len, &report, err), 0);
	assert_int_equal(report.programs[0].packet_reach, 200);
	inlay_nic_report_fini(&report);
	free(b.data);
}

static void clang_for_newer_processors_is_refused_with_the_reason(void **state)
{
	struct inlay_nic_report report;
	char path[4096];
	struct bytes b;

	snprintf(path, sizeof(path), "%s/fits_xdp_v4.o", folder);
	if (access(path, R_OK)) {
		print_message("# no clang here that compiles with -mcpu=v4\n");
		skip();
	}
	b = read_file(path);
	assert_int_equal(inlay_nic_check(profile, b.data, b.len, &report, err), 0);
	assert_true(report.refused[INLAY_NIC_RULE_store_immediate] > 0);
	assert_non_null(strstr(inlay_nic_rules[INLAY_NIC_RULE_store_immediate].advice, "-mcpu=v3"));
	inlay_nic_report_fini(&report);
	free(b.data);
}

static void the_forwarder_does_not_fit_and_why_is_known(void **state)
{
	/* What a card would have to learn, or the forwarder to leave out. */
	static const enum inlay_nic_rule broken[] = {
		INLAY_NIC_RULE_device_instructions,
		INLAY_NIC_RULE_helper,		 /* bpf_loop, bpf_skb_load_bytes, the clock */
		INLAY_NIC_RULE_wide_immediate,	 /* bpf_loop's callbacks */
		INLAY_NIC_RULE_atomic_operation, /* compare and exchange, fetch and add */
		INLAY_NIC_RULE_multiply_range,
		INLAY_NIC_RULE_divide_range,
		INLAY_NIC_RULE_context_read,
		INLAY_NIC_RULE_tc_return,
		INLAY_NIC_RULE_stack_bytes,
		INLAY_NIC_RULE_pointer_type,
		INLAY_NIC_RULE_map_store,
		INLAY_NIC_RULE_map_offset,
		INLAY_NIC_RULE_map_use_mixed,
		INLAY_NIC_RULE_direct_values,
		INLAY_NIC_RULE_map_type,
		INLAY_NIC_RULE_map_flags, /* BPF_F_MMAPABLE */
		INLAY_NIC_RULE_map_value_bytes,
		INLAY_NIC_RULE_map_entry_bytes,
		INLAY_NIC_RULE_map_entries,
		INLAY_NIC_RULE_map_entries_each,
		INLAY_NIC_RULE_maps,
	};
	struct bytes b = read_file(forwarder);
	struct inlay_nic_report report;

	assert_int_equal(inlay_nic_check(profile, b.data, b.len, &report, err), 0);
	for (int rule = 0; rule < INLAY_NIC_N_RULES; rule++) {
		bool expected = false;

		for (size_t i = 0; i < INLAY_ARRAY_SIZE(broken); i++)
			expected |= (int)broken[i] == rule;
		if (expected != (report.refused[rule] > 0))
			fail_msg("%s: %u", inlay_nic_rules[rule].id, report.refused[rule]);
	}
	inlay_nic_report_fini(&report);
	free(b.data);
}

/* --- Other profiles ----------------------------------------------------------------------------
 */

static void a_simulated_device_takes_what_no_nic_does(void **state)
{
	struct inlay_nic_profile *netdevsim;
	struct inlay_nic_report report;
	size_t taken = 0;

	assert_int_equal(inlay_nic_profile_find("netdevsim", &netdevsim, err), 0);
	for (int rule = 0; rule < INLAY_NIC_N_RULES; rule++) {
		char name[64];
		struct bytes b;

		if (inlay_nic_rules[rule].how == INLAY_NIC_HOW_NOT)
			continue;
		snprintf(name, sizeof(name), "rule_%s", inlay_nic_rules[rule].id);
		b = read_object(name);
		assert_int_equal(inlay_nic_check(netdevsim, b.data, b.len, &report, err), 0);
		/* The kernel's own rules hold there as well. */
		if (inlay_nic_rules[rule].when == INLAY_NIC_WHEN_ALWAYS)
			assert_true(report.refused[rule] > 0);
		if (inlay_nic_rules[rule].when == INLAY_NIC_WHEN_LISTED)
			assert_int_equal(report.refused[rule], 0);
		taken += !report.refused[rule];
		inlay_nic_report_fini(&report);
		free(b.data);
	}
	assert_true(taken > 30);
	inlay_nic_profile_free(netdevsim);
}

static void a_nic_that_runs_no_programs_is_said_to_run_none(void **state)
{
	struct inlay_nic_profile *e810;
	struct inlay_nic_report report;
	struct bytes b = read_object("fits_xdp");

	assert_int_equal(inlay_nic_profile_find("e810", &e810, err), 0);
	assert_int_equal(inlay_nic_check(e810, b.data, b.len, &report, err), -ENOTSUP);
	assert_string_equal(err, "Intel E810 runs no eBPF programs itself: its profile has no "
				 "section ebpf");
	inlay_nic_profile_free(e810);
	free(b.data);
}

/* --- Objects that are none ---------------------------------------------------------------------
 */

static void refused(const void *data, size_t len, const char *why)
{
	struct inlay_nic_report report;

	assert_int_equal(inlay_nic_check(profile, data, len, &report, err), -EINVAL);
	if (!strstr(err, why))
		fail_msg("'%s' lacks '%s'", err, why);
}

static void what_is_no_object_is_refused_with_the_reason(void **state)
{
	struct bytes b = read_object("fits_xdp");

	refused("", 0, "no ELF object");
	refused("#!/bin/sh\n", 10, "no ELF object");
	refused(b.data, 40, "the ELF header ends early");
	refused(b.data, b.len - 1, "truncated");
	b.data[4] = 1; /* 32 bits */
	refused(b.data, b.len, "not a 64-bit little-endian object");
	b.data[4] = 2;
	b.data[18] = 62; /* x86-64 */
	refused(b.data, b.len, "no BPF object: its machine is 62");
	free(b.data);
}

static void an_object_cut_anywhere_is_survived(void **state)
{
	struct bytes b = read_object("rule_map_use_mixed");
	struct inlay_nic_report report;

	for (size_t len = 0; len < b.len; len += 7) {
		__u8 *copy = malloc(len + 1); /* of exactly this size: a sanitizer sees beyond */

		assert_non_null(copy);
		memcpy(copy, b.data, len);
		if (!inlay_nic_check(profile, copy, len, &report, err))
			inlay_nic_report_fini(&report);
		free(copy);
	}
	free(b.data);
}

static void an_object_with_any_byte_turned_is_survived(void **state)
{
	struct bytes b = read_object("rule_update_atomic_value");
	struct inlay_nic_report report;
	size_t taken = 0, step = getenv("INLAY_FULL") ? 1 : 5;

	for (size_t i = 0; i < b.len; i += step) {
		b.data[i] ^= 0xff;
		if (!inlay_nic_check(profile, b.data, b.len, &report, err)) {
			taken++;
			inlay_nic_report_fini(&report);
		}
		b.data[i] ^= 0xff;
	}
	assert_true(taken > 0);
	free(b.data);
}

/* 65536 symbols, and names for them that end nowhere. */
static void names_without_end_are_not_searched_for_one(void **state)
{
	const size_t symbols = 65536 * sizeof(Elf64_Sym), text = 12u << 20;
	struct bytes b = read_object("fits_xdp");
	struct inlay_nic_report report;
	size_t at = (b.len + 7) / 8 * 8;
	__u8 *data = calloc(1, at + symbols + text);
	Elf64_Ehdr head;
	Elf64_Shdr s;
	clock_t begun;

	assert_non_null(data);
	memcpy(data, b.data, b.len);
	memcpy(&head, data, sizeof(head));
	for (__u16 i = 0; i < head.e_shnum; i++) {
		__u8 *place = data + head.e_shoff + i * sizeof(s);

		memcpy(&s, place, sizeof(s));
		if (s.sh_type == SHT_SYMTAB) {
			s.sh_offset = at;
			s.sh_size = symbols;
		} else if (s.sh_type == SHT_STRTAB) {
			s.sh_offset = at + symbols;
			s.sh_size = text;
		}
		memcpy(place, &s, sizeof(s));
	}
	memset(data + at + symbols, 'a', text);
	begun = clock();
	assert_int_equal(inlay_nic_check(profile, data, at + symbols + text, &report, err),
			 -EINVAL);
	assert_true(clock() - begun < 5 * CLOCKS_PER_SEC);
	free(data);
	free(b.data);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_rule_is_found_in_an_object_that_breaks_it_alone),
		cmocka_unit_test(what_the_verifier_does_not_know_the_checker_does_not_either),
		cmocka_unit_test(programs_of_one_object_share_the_words_of_its_maps),
		cmocka_unit_test(variables_that_tell_of_the_kernel_are_a_map),
		cmocka_unit_test(objects_that_break_no_rule_fit),
		cmocka_unit_test(what_a_program_takes_is_told),
		cmocka_unit_test(clang_for_newer_processors_is_refused_with_the_reason),
		cmocka_unit_test(the_forwarder_does_not_fit_and_why_is_known),
		cmocka_unit_test(a_simulated_device_takes_what_no_nic_does),
		cmocka_unit_test(a_nic_that_runs_no_programs_is_said_to_run_none),
		cmocka_unit_test(what_is_no_object_is_refused_with_the_reason),
		cmocka_unit_test(names_without_end_are_not_searched_for_one),
		cmocka_unit_test(an_object_cut_anywhere_is_survived),
		cmocka_unit_test(an_object_with_any_byte_turned_is_survived),
	};

	if (argc != 3) {
		fprintf(stderr, "usage: check_test FOLDER_OF_OBJECTS FORWARDER\n");
		return 2;
	}
	folder = argv[1];
	forwarder = argv[2];
	return cmocka_run_group_tests(tests, load_profile, free_profile);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* Placement auto for a device: profile, the device's own answers, and what this version has. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "probe.h"

static const struct inlay_nic_device reporting = {
	.name = "dev0",
	.driver = "driver",
	.firmware = "1.2",
	.vendor = 0x19ee,
	.product = 0x4000,
	.has_xdp = true,
	.xdp_features = INLAY_NIC_XDP_BASIC | INLAY_NIC_XDP_OFFLOAD,
	.xdp_metadata = 1 << 1,
	.has_features = true,
	.features = {{"hw-tc-offload", false, true}, {"esp-hw-offload", false, false}},
	.n_features = 2,
	.has_timestamp = true,
	.timestamps_all = true,
	.versions = {{"fw.version", "1.2"}, {"board.id", "AMDA0001"}},
	.n_versions = 2,
};

static void a_device_answers_what_it_reports(void **state)
{
	static const struct {
		const char *question;
		enum inlay_nic_answer answer;
	} rows[] = {
		{"xdp:basic", INLAY_NIC_YES},
		{"xdp:redirect", INLAY_NIC_NO},
		{"xdp:hw-offload", INLAY_NIC_YES},
		{"xdp:rx-sg", INLAY_NIC_NO},
		{"xdp:levitate", INLAY_NIC_UNKNOWN},
		{"rx-metadata:hash", INLAY_NIC_YES},
		{"rx-metadata:timestamp", INLAY_NIC_NO},
		{"feature:hw-tc-offload", INLAY_NIC_YES}, /* off, but may be turned on */
		{"feature:esp-hw-offload", INLAY_NIC_NO},
		{"feature:tls-hw-tx-offload", INLAY_NIC_NO},
		{"timestamp:hardware-receive", INLAY_NIC_YES},
		{"", INLAY_NIC_UNKNOWN},
		{"weather:rain", INLAY_NIC_UNKNOWN},
	};

	for (size_t i = 0; i < INLAY_ARRAY_SIZE(rows); i++)
		assert_int_equal(inlay_nic_device_answer(&reporting, rows[i].question),
				 rows[i].answer);
}

static void what_was_not_answered_is_unknown(void **state)
{
	static const struct inlay_nic_device silent = {.name = "dev1"};

	assert_int_equal(inlay_nic_device_answer(&silent, "xdp:basic"), INLAY_NIC_UNKNOWN);
	assert_int_equal(inlay_nic_device_answer(&silent, "rx-metadata:hash"), INLAY_NIC_UNKNOWN);
	assert_int_equal(inlay_nic_device_answer(&silent, "feature:hw-tc-offload"),
			 INLAY_NIC_UNKNOWN);
	assert_int_equal(inlay_nic_device_answer(&silent, "timestamp:hardware-receive"),
			 INLAY_NIC_UNKNOWN);
}

static void a_device_is_recognised_by_driver_firmware_board_and_ids(void **state)
{
	struct inlay_nic_identity identity;

	inlay_nic_device_identity(&reporting, &identity);
	assert_string_equal(identity.driver, "driver");
	assert_string_equal(identity.firmware, "1.2");
	assert_string_equal(identity.board, "AMDA0001");
	assert_int_equal(identity.pci_vendor, 0x19ee);
	assert_int_equal(identity.pci_device, 0x4000);
}

/* A profile with one need for its first choice, and |second| after it. */
static struct inlay_nic_profile *profile_of(enum inlay_nic_capability need,
					    enum inlay_nic_answer answer)
{
	struct inlay_nic_profile *profile = calloc(1, sizeof(*profile));

	assert_non_null(profile);
	profile->caps[need].answer = answer;
	profile->prefer[0] = (struct inlay_nic_choice){.placement = INLAY_NIC_PLACE_USER,
						       .hook = INLAY_NIC_HOOK_SOCKET,
						       .needs = {need},
						       .n_needs = 1,
						       .why = "first"};
	profile->prefer[1] = (struct inlay_nic_choice){.placement = INLAY_NIC_PLACE_CONVENTIONAL,
						       .why = "second"};
	profile->n_prefer = 2;
	return profile;
}

static void check(enum inlay_nic_capability need, enum inlay_nic_answer answer,
		  const struct inlay_nic_device *device, int chosen, const char *why)
{
	struct inlay_nic_profile *profile = profile_of(need, answer);
	struct inlay_nic_verdict verdicts[INLAY_NIC_CHOICES];

	assert_int_equal(inlay_nic_choose(profile, device, verdicts), chosen);
	assert_int_equal(verdicts[0].fits, chosen == 0);
	assert_true(verdicts[1].fits);
	assert_non_null(strstr(verdicts[0].why, why));
	free(profile);
}

static void a_choice_whose_needs_are_met_is_taken(void **state)
{
	check(INLAY_NIC_CAP_xdp_native, INLAY_NIC_YES, &reporting, 0, "first");
	check(INLAY_NIC_CAP_xdp_native, INLAY_NIC_ASK, &reporting, 0, "first");
	check(INLAY_NIC_CAP_xdp_native, INLAY_NIC_UNKNOWN, &reporting, 0, "first");
	check(INLAY_NIC_CAP_xdp_native, INLAY_NIC_YES, NULL, 0, "first");
}

static void what_the_device_denies_is_not_taken_whatever_the_profile_says(void **state)
{
	check(INLAY_NIC_CAP_xdp_redirect, INLAY_NIC_YES, &reporting, 1,
	      "needs xdp_redirect (XDP programs may redirect): the device reports no");
	check(INLAY_NIC_CAP_xdp_redirect, INLAY_NIC_ASK, &reporting, 1, "the device reports no");
}

static void what_the_profile_denies_is_not_asked(void **state)
{
	check(INLAY_NIC_CAP_xdp_native, INLAY_NIC_NO, &reporting, 1, "the profile says no");
}

static void what_nobody_knows_is_not_taken(void **state)
{
	check(INLAY_NIC_CAP_psp, INLAY_NIC_UNKNOWN, &reporting, 1, "the profile says unknown");
	check(INLAY_NIC_CAP_psp, INLAY_NIC_ASK, &reporting, 1, "depends on the device");
	check(INLAY_NIC_CAP_xdp_native, INLAY_NIC_ASK, NULL, 1, "depends on the device");
}

static void what_this_version_lacks_is_not_taken(void **state)
{
	struct inlay_nic_profile *profile = profile_of(INLAY_NIC_CAP_xdp_native, INLAY_NIC_YES);
	struct inlay_nic_verdict verdicts[INLAY_NIC_CHOICES];

	profile->prefer[0].placement = INLAY_NIC_PLACE_NIC;
	profile->prefer[0].provider = INLAY_NIC_PROVIDER_DRIVER;
	assert_int_equal(inlay_nic_choose(profile, &reporting, verdicts), 1);
	assert_non_null(strstr(verdicts[0].why, "this version has no placement nic"));
	profile->n_prefer = 1;
	assert_int_equal(inlay_nic_choose(profile, &reporting, verdicts), -ENOENT);
	free(profile);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_device_answers_what_it_reports),
		cmocka_unit_test(what_was_not_answered_is_unknown),
		cmocka_unit_test(a_device_is_recognised_by_driver_firmware_board_and_ids),
		cmocka_unit_test(a_choice_whose_needs_are_met_is_taken),
		cmocka_unit_test(what_the_device_denies_is_not_taken_whatever_the_profile_says),
		cmocka_unit_test(what_the_profile_denies_is_not_asked),
		cmocka_unit_test(what_nobody_knows_is_not_taken),
		cmocka_unit_test(what_this_version_lacks_is_not_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

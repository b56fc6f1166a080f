/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the checker predicts is what the device does: each of the checker's own objects, which break
 * one rule or none (tests/nic/objects.bpf.c), is held against the profile, and then brought to the
 * device. Where the two disagree by nature it is written here, with the reason, and must stay so.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bpf_env.h"
#include "check.h"
#include "profile.h"

#define OBJECT_MAX (16 << 20)

enum { DECIDABLE, APPROXIMATE, NOT };

static const struct {
	const char *name;
	int how;
} objects[] = {
	{"fits_xdp", DECIDABLE},
	{"fits_tc", DECIDABLE},
	{"fits_calls", DECIDABLE},
/* Rules that no object alone decides come last in the list, and have none. */
#define RULE(id, how, ...) {"rule_" #id, how},
#include "check_rules.def"
#undef RULE
};

size_t predict_count(void)
{
	size_t n = 0;

	while (n < INLAY_ARRAY_SIZE(objects) && objects[n].how != NOT)
		n++;
	return n;
}

void predict_describe(size_t i, struct conform_case *ret_case)
{
	snprintf(ret_case->name, sizeof(ret_case->name), "predicted_%s", objects[i].name);
	ret_case->text =
		"the device takes the object if the checker says so, and refuses it if not";
	ret_case->needs = NEED_XDP | NEED_OBJECTS;
}

/* --- The objects ------------------------------------------------------------------------------ */

/* Beside this program in a build, or where they are installed. */
static void object_path(const char *name, char *path, size_t room)
{
	const char *folder = getenv("INLAY_CONFORM_OBJECTS");
	char self[2048];
	ssize_t n;

	if (!folder) {
		n = readlink("/proc/self/exe", self, sizeof(self) - 1);
		self[n > 0 ? n : 0] = 0;
		if (strrchr(self, '/'))
			*strrchr(self, '/') = 0;
		snprintf(path, room, "%s/tests/nic/%s.o", self, name);
		if (!access(path, R_OK))
			return;
		folder = INLAY_CONFORM_OBJECTS;
	}
	snprintf(path, room, "%s/%s.o", folder, name);
}

const char *predict_missing(void)
{
	char path[4096];

	object_path(objects[0].name, path, sizeof(path));
	return access(path, R_OK) ? "the checker's objects are neither beside this program nor "
				    "installed (INLAY_CONFORM_OBJECTS names their folder)"
				  : NULL;
}

/* NULL: it cannot be read. */
static void *read_object(const char *name, size_t *ret_len)
{
	char path[4096], *data = NULL;
	FILE *file;

	object_path(name, path, sizeof(path));
	file = fopen(path, "rb");
	if (!file)
		return NULL;
	data = malloc(OBJECT_MAX);
	if (data)
		*ret_len = fread(data, 1, OBJECT_MAX, file);
	fclose(file);
	return data;
}

/* --- Where the two disagree ------------------------------------------------------------------- */

static const struct disagreement {
	const char *profile, *object;
	bool device_takes;
	const char *why;
} disagreements[] = {
	{"netdevsim", "rule_analysis_limit", true,
	 "the checker gives up where the kernel's verifier goes on; it says so"},
	{"netdevsim", "rule_registers", false,
	 "r11 is refused by the kernel's verifier, whose rules the checker does not repeat"},
	{"netdevsim", "rule_wide_immediate", false,
	 "the kernel refuses what the immediate refers to; the checker does not repeat its "
	 "verifier"},
	{"netdevsim", "rule_event_data", false,
	 "a context as an event's data is refused by the kernel's verifier, whose rules the checker"
	 " does not repeat"},
	{"netdevsim", "rule_pointer_type", false,
	 "reading a map's own structure is refused by the kernel's verifier, whose rules the "
	 "checker"
	 " does not repeat"},
};

static const struct disagreement *find_disagreement(const char *profile, const char *object)
{
	for (size_t i = 0; i < INLAY_ARRAY_SIZE(disagreements); i++)
		if (!strcmp(disagreements[i].profile, profile) &&
		    !strcmp(disagreements[i].object, object))
			return &disagreements[i];
	return NULL;
}

/* --- A prediction ----------------------------------------------------------------------------- */

static bool device_takes(struct offload_env *env, const char *name, const void *data, size_t len)
{
	const struct inlay_dev_load load = {
		.object = data, .len = len, .label = name, .as_is = true};
	struct inlay_dev_program program;
	bool takes;

	if (inlay_dev_load(&env->dev, &load, &program, &env->error))
		return false;
	takes = program.tc ? !set_tc_offload(&env->dev, true) &&
				     !tc_attach(env, INLAY_DEV_TC_DEVICE, program.fd)
			   : !xdp_attach(env, INLAY_DEV_XDP_DEVICE, program.fd);
	inlay_dev_unload(&program);
	return takes;
}

/* What the checker says first. */
static void first_finding(const struct inlay_nic_report *report, char *text, size_t room)
{
	const struct inlay_nic_finding *f = report->findings;

	snprintf(text, room, "%s: %s", report->n_findings ? inlay_nic_rules[f->rule].id : "nothing",
		 report->n_findings ? f->detail : "");
}

int predict_run(struct offload_env *env, size_t i)
{
	const struct inlay_nic_profile *profile = env->target->profile;
	const char *name = objects[i].name;
	const struct disagreement *known = find_disagreement(profile->name, name);
	struct inlay_nic_report report = {0};
	char err[INLAY_NIC_ERROR] = "", finding[256];
	bool fits, takes, open;
	size_t len = 0;
	void *data = read_object(name, &len);

	CHECK(data);
	snprintf(env->detail, sizeof(env->detail), "the checker: %s", err);
	CHECK(!inlay_nic_check(profile, data, len, &report, err));
	fits = !report.n_refused;
	open = fits && report.n_findings; /* this device, or its firmware, decides */
	first_finding(&report, finding, sizeof(finding));
	inlay_nic_report_fini(&report);
	takes = device_takes(env, name, data, len);
	free(data);
	snprintf(env->detail, sizeof(env->detail), "checker: %s (%s); device: %s (%.150s)",
		 fits ? "fits" : "refused", finding, takes ? "takes it" : "refuses",
		 takes ? "" : env->error.text);
	if (open)
		return CONFORM_SKIP;
	if (known) {
		CHECK(fits != takes && takes == known->device_takes);
		snprintf(env->detail, sizeof(env->detail), "by nature the device %s it: %s",
			 takes ? "takes" : "refuses", known->why);
		return 0;
	}
	CHECK(fits == takes);
	env->detail[0] = 0;
	return 0;
}

/* --- More than a NIC -------------------------------------------------------------------------- */

/* What an nfp refuses and netdevsim takes: so passing there says nothing of these rules. */
static const char *const taken_all_the_same[] = {
	"rule_bpf_instructions", "rule_device_instructions",
	"rule_analysis_limit",	 "rule_global_function",
	"rule_helper",		 "rule_opcode",
	"rule_move_offset",	 "rule_divide_offset",
	"rule_store_immediate",	 "rule_atomic_operation",
	"rule_multiply_range",	 "rule_divide_range",
	"rule_context_read",	 "rule_context_write",
	"rule_queue_value",	 "rule_xdp_return",
	"rule_tc_return",	 "rule_pointer_mixed",
	"rule_stack_offset",	 "rule_map_store",
	"rule_map_offset",	 "rule_map_use_mixed",
	"rule_atomic_target",	 "rule_helper_stack_pointer",
	"rule_event_flags",	 "rule_tail_grow",
};

/* 1: an nfp refuses it, and the device takes it. 0: else. -1: failed. */
static int takes_more(struct offload_env *env, const struct inlay_nic_profile *nfp,
		      const char *name)
{
	struct inlay_nic_report report = {0};
	char err[INLAY_NIC_ERROR];
	size_t len = 0;
	void *data = read_object(name, &len);
	bool refused, takes;

	CHECK(data);
	CHECK(!inlay_nic_check(nfp, data, len, &report, err));
	refused = report.n_refused;
	inlay_nic_report_fini(&report);
	takes = refused && device_takes(env, name, data, len);
	free(data);
	xdp_detach(env, INLAY_DEV_XDP_DEVICE);
	inlay_dev_tc_clear(&env->dev, &env->error);
	return takes;
}

int offload_takes_more_than_nfp(struct offload_env *env)
{
	struct inlay_nic_profile *nfp;
	char err[INLAY_NIC_ERROR];
	size_t n = 0;

	CHECK(!inlay_nic_profile_find("nfp-cx", &nfp, err));
	for (size_t i = 0; i < predict_count(); i++) {
		int more = takes_more(env, nfp, objects[i].name);

		if (more < 0)
			return -1;
		if (!more)
			continue;
		snprintf(env->detail, sizeof(env->detail), "number %zu is %s", n, objects[i].name);
		CHECK(n < INLAY_ARRAY_SIZE(taken_all_the_same));
		CHECK(!strcmp(taken_all_the_same[n], objects[i].name));
		n++;
	}
	CHECK(n == INLAY_ARRAY_SIZE(taken_all_the_same));
	snprintf(env->detail, sizeof(env->detail),
		 "%zu objects that an nfp refuses are taken here, from %s to %s", n,
		 taken_all_the_same[0], taken_all_the_same[n - 1]);
	inlay_nic_profile_free(nfp);
	return 0;
}

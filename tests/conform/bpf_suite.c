/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The suite bpf-offload: programs and maps on a device, their whole life. Each case gets a
 * simulated device of its own, or the network device that is tested, with nothing attached.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "bpf_env.h"
#include "profile.h"

#define CASE(case_name, needs, words) {#case_name, words, needs, offload_##case_name},
static const struct offload_case cases[] = {
#include "bpf_cases.def"
};
#undef CASE

/* Of the first simulated device; the parent's, so that it can take away what a case left. */
static __u32 sim_id;
/* What the tested device answered where its profile says to ask. */
static bool answers_asked, takes_xdp, takes_tc;
static bool tc_was_off; /* hw-tc-offload of the tested device before */

/* --- What is claimed -------------------------------------------------------------------------- */

static const char *lacks_capability(const struct conform_target *target,
				    enum inlay_nic_capability cap, bool asked, const char *why)
{
	switch (target->profile->caps[cap].answer) {
	case INLAY_NIC_YES:
		return NULL;
	case INLAY_NIC_NO:
		return why;
	default:
		return asked || !answers_asked ? NULL : why;
	}
}

static const char *lacks_xdp(const struct conform_target *target)
{
	return lacks_capability(target, INLAY_NIC_CAP_xdp_offload, takes_xdp,
				"the device runs no XDP programs itself");
}

static const char *lacks_tc(const struct conform_target *target)
{
	return lacks_capability(target, INLAY_NIC_CAP_tc_bpf_offload, takes_tc,
				"the device runs no tc programs itself");
}

static const char *lacks_driver(const struct conform_target *target)
{
	return lacks_capability(target, INLAY_NIC_CAP_xdp_native, true,
				"the driver runs no XDP programs");
}

static bool has_map_type(const struct conform_target *target, const char *name)
{
	const struct inlay_nic_ebpf *ebpf = &target->profile->ebpf;

	for (size_t i = 0; target->profile->has_ebpf && i < ebpf->n_map_types; i++)
		if (!strcmp(ebpf->map_types[i], name))
			return true;
	return false;
}

static const char *lacks_array(const struct conform_target *target)
{
	return has_map_type(target, "array") ? NULL : "the device has no array maps";
}

static const char *lacks_hash(const struct conform_target *target)
{
	return has_map_type(target, "hash") ? NULL : "the device has no hash maps";
}

static const char *lacks_sim(const struct conform_target *target)
{
	return target->kind == CONFORM_NETDEVSIM
		       ? NULL
		       : "only a simulated device can be told to refuse, be doubled or removed";
}

static const char *lacks_objects(const struct conform_target *target)
{
	return predict_missing();
}

static const struct conform_need needs[] = {
	{NEED_XDP, "XDP programs on the device", lacks_xdp},
	{NEED_TC, "tc programs on the device", lacks_tc},
	{NEED_ARRAY, "array maps on the device", lacks_array},
	{NEED_HASH, "hash maps on the device", lacks_hash},
	{NEED_DRIVER, "XDP programs in the driver", lacks_driver},
	{NEED_SIM, "a simulated device", lacks_sim},
	{NEED_OBJECTS, "the checker's objects", lacks_objects},
};

static bool applies(const struct conform_target *target)
{
	return target->kind == CONFORM_NETDEVSIM || target->kind == CONFORM_NETDEV;
}

static const char *limits(const struct conform_target *target)
{
	return target->kind == CONFORM_NETDEVSIM
		       ? "netdevsim proves the life cycle of programs and maps, not forwarding: it "
			 "never"
			 " runs one; and it accepts more than a NIC does (an nfp, say): what a NIC"
			 " accepts is for its profile and `inlayctl nic check` to say"
		       : "programs are loaded, attached and taken away; no packet is sent through "
			 "them";
}

/* --- Around a case ---------------------------------------------------------------------------- */

static int ask_device(struct conform_target *target, char why[CONFORM_WHY])
{
	struct offload_env env = {.target = target};
	struct inlay_dev_program program;
	struct inlay_dev_xdp_state state;

	if (inlay_dev_open(target->device, &env.dev, &env.error)) {
		snprintf(why, CONFORM_WHY, "%.900s", env.error.text);
		return -1;
	}
	state = xdp_state(&env);
	/* With the qdisc goes whatever hangs there, and the suite takes its own away. */
	if (state.attached || inlay_dev_tc_has_qdisc(&env.dev)) {
		inlay_dev_close(&env.dev);
		snprintf(why, CONFORM_WHY,
			 "%s: a program or a clsact qdisc is attached already: the suite wants the "
			 "device for itself "
			 "(ip"
			 " link set %s xdp off; tc qdisc del dev %s clsact)",
			 target->device, target->device, target->device);
		return -1;
	}
	takes_xdp = !load_xdp(&env, &env.dev, &program);
	if (takes_xdp)
		inlay_dev_unload(&program);
	takes_tc = !load_tc(&env, &env.dev, &program);
	if (takes_tc)
		inlay_dev_unload(&program);
	answers_asked = true;
	tc_was_off = tc_offload_is_on(&env.dev) == 0;
	inlay_dev_close(&env.dev);
	return 0;
}

static int open_suite(struct conform_target *target, char why[CONFORM_WHY])
{
	const char *missing;

	if (target->kind == CONFORM_NETDEV)
		return ask_device(target, why);
	sim_id = 10000 + (__u32)getpid() % 10000 * 4;
	missing = sim_missing();
	if (missing)
		snprintf(why, CONFORM_WHY, "%s", missing);
	return missing ? -1 : 0;
}

static void clean(const struct conform_target *target)
{
	struct offload_env env = {.target = target};

	if (target->kind == CONFORM_NETDEVSIM) {
		sim_del(sim_id);
		sim_del(sim_id + 1);
		return;
	}
	if (inlay_dev_open(target->device, &env.dev, &env.error))
		return;
	for (enum inlay_dev_xdp mode = INLAY_DEV_XDP_GENERIC; mode <= INLAY_DEV_XDP_DEVICE; mode++)
		xdp_detach(&env, mode);
	inlay_dev_tc_clear(&env.dev, &env.error);
	if (tc_was_off)
		set_tc_offload(&env.dev, false);
	inlay_dev_close(&env.dev);
}

static bool is_gone(const struct conform_target *target)
{
	struct inlay_dev_error error;
	struct inlay_dev dev;

	if (target->kind != CONFORM_NETDEV)
		return false;
	if (inlay_dev_open(target->device, &dev, &error))
		return error.code == -ENODEV;
	inlay_dev_close(&dev);
	return false;
}

static size_t count(void)
{
	return INLAY_ARRAY_SIZE(cases) + predict_count();
}

static void describe(size_t i, struct conform_case *ret_case)
{
	ret_case->index = i;
	if (i >= INLAY_ARRAY_SIZE(cases)) {
		predict_describe(i - INLAY_ARRAY_SIZE(cases), ret_case);
		return;
	}
	snprintf(ret_case->name, sizeof(ret_case->name), "%s", cases[i].name);
	ret_case->text = cases[i].text;
	ret_case->needs = cases[i].needs;
}

static int open_device(struct offload_env *env, __u32 case_needs)
{
	const char *name = env->target->device;

	if (env->target->kind == CONFORM_NETDEVSIM) {
		CHECK(!sim_new(&env->sim, sim_id, 2));
		name = env->sim.names[0];
	}
	CHECK(!inlay_dev_open(name, &env->dev, &env->error));
	if (case_needs & NEED_TC)
		CHECK(!set_tc_offload(&env->dev, true));
	return 0;
}

static int run(struct conform_env *conform, const struct conform_case *c)
{
	struct offload_env env = {.target = conform->target};
	int verdict = open_device(&env, c->needs);

	if (!verdict)
		verdict = c->index < INLAY_ARRAY_SIZE(cases)
				  ? cases[c->index].run(&env)
				  : predict_run(&env, c->index - INLAY_ARRAY_SIZE(cases));
	conform->failed_at = env.failed_at;
	conform->failed_what = env.failed_what;
	if (env.detail[0])
		snprintf(conform->detail, sizeof(conform->detail), "%s", env.detail);
	else if (verdict && env.error.code)
		snprintf(conform->detail, sizeof(conform->detail), "last error: %.900s",
			 env.error.text);
	return verdict;
}

const struct conform_suite conform_bpf_offload = {
	.name = "bpf-offload",
	.text = "eBPF programs and maps on the device: loading, attaching, replacing, removing",
	.limits = limits,
	.applies = applies,
	.open = open_suite,
	.clean = clean,
	.is_gone = is_gone,
	.needs = needs,
	.n_needs = INLAY_ARRAY_SIZE(needs),
	.count = count,
	.describe = describe,
	.run = run,
};

/* SPDX-License-Identifier: BSD-2-Clause */
/* tc filters on the device. hw-tc-offload is on unless a case says otherwise. */
#include <bpf/bpf.h>
#include <errno.h>
#include <unistd.h>

#include "bpf_env.h"

int offload_tc_off_by_default(struct offload_env *env)
{
	struct inlay_dev_program program;
	struct inlay_dev_filter filter;
	struct inlay_dev fresh;
	struct sim sim;

	CHECK(!second_sim(env, &sim, &fresh));
	env->dev = fresh;
	CHECK(!load_tc(env, &env->dev, &program));
	CHECK(tc_attach(env, INLAY_DEV_TC_DEVICE, program.fd) < 0);
	CHECK(said(env, "TC offload is disabled on net device"));
	CHECK(strstr(env->error.text, "hw-tc-offload on"));
	CHECK(tc_filters(env, &filter) == 0);
	/* The qdisc that was made for it went, too. */
	CHECK(inlay_dev_tc_clear(&env->dev, &env->error) == -ENOENT);
	CHECK(!set_tc_offload(&env->dev, true));
	CHECK(!tc_attach(env, INLAY_DEV_TC_DEVICE, program.fd));
	return 0;
}

int offload_tc_host_filter_stays_there(struct offload_env *env)
{
	struct inlay_dev_program program;
	struct inlay_dev_binding binding;
	struct inlay_dev_filter filter;

	CHECK(!load_host_tc(env, &program));
	CHECK(!tc_attach(env, INLAY_DEV_TC_HOST, program.fd));
	CHECK(tc_filters(env, &filter) == 1);
	CHECK(filter.id == program.id);
	CHECK(!filter.on_device && filter.skips_device && !filter.skips_host);
	CHECK(!inlay_dev_program_binding(program.fd, &binding));
	CHECK(!binding.ifindex);
	return 0;
}

int offload_tc_offered_to_device(struct offload_env *env)
{
	struct inlay_dev_program program;
	struct inlay_dev_filter filter;

	CHECK(!sim_set(&env->sim, 0, "bpf_tc_non_bound_accept", "Y"));
	CHECK(!load_host_tc(env, &program));
	CHECK(!tc_attach(env, INLAY_DEV_TC_BOTH, program.fd));
	CHECK(tc_filters(env, &filter) == 1);
	CHECK(filter.on_device && !filter.skips_device && !filter.skips_host);
	return 0;
}

int offload_tc_unbound_refused(struct offload_env *env)
{
	struct inlay_dev_program program;
	struct inlay_dev_filter filter;

	CHECK(!load_host_tc(env, &program));
	CHECK(tc_attach(env, INLAY_DEV_TC_DEVICE, program.fd) < 0);
	CHECK(said(env, "netdevsim configured to reject unbound programs"));
	CHECK(tc_filters(env, &filter) == 0);
	/* For both, the host takes it alone. */
	CHECK(!tc_attach(env, INLAY_DEV_TC_BOTH, program.fd));
	CHECK(tc_filters(env, &filter) == 1);
	CHECK(!filter.on_device);
	return 0;
}

int offload_tc_on_device(struct offload_env *env)
{
	const struct inlay_dev_tc_place place = {.priority = 1, .handle = 1};
	struct inlay_dev_program program;
	struct inlay_dev_filter filter;

	CHECK(!load_tc(env, &env->dev, &program));
	CHECK(!tc_attach(env, INLAY_DEV_TC_DEVICE, program.fd));
	CHECK(tc_filters(env, &filter) == 1);
	CHECK(filter.on_device && filter.skips_host && !filter.skips_device);
	CHECK(filter.id == program.id);
	CHECK(filter.place.priority == 1 && filter.place.handle == 1 && filter.place.chain == 0);
	CHECK(!inlay_dev_tc_detach(&env->dev, &place, &env->error));
	CHECK(tc_filters(env, &filter) == 0);
	CHECK(inlay_dev_tc_detach(&env->dev, &place, &env->error) == -ENOENT);
	return 0;
}

int offload_tc_is_bound(struct offload_env *env)
{
	struct inlay_dev_program program;
	struct inlay_dev_binding binding;

	CHECK(!load_tc(env, &env->dev, &program));
	CHECK(!inlay_dev_program_binding(program.fd, &binding));
	CHECK(binding.ifindex == (__u32)env->dev.ifindex && binding.netns_ino);
	return 0;
}

int offload_tc_replaced(struct offload_env *env)
{
	const struct inlay_dev_tc_place place = {.priority = 1, .handle = 1};
	struct inlay_dev_program first, second;
	struct inlay_dev_filter filter;
	__u32 id;

	CHECK(!load_tc(env, &env->dev, &first));
	CHECK(!load_tc(env, &env->dev, &second));
	CHECK(inlay_dev_tc_attach(&env->dev, INLAY_DEV_TC_DEVICE, first.fd, &place, true,
				  &env->error) == -ENOENT);
	CHECK(!tc_attach(env, INLAY_DEV_TC_DEVICE, first.fd));
	CHECK(tc_attach(env, INLAY_DEV_TC_DEVICE, second.fd) == -EEXIST);
	CHECK(!inlay_dev_tc_attach(&env->dev, INLAY_DEV_TC_DEVICE, second.fd, &place, true,
				   &env->error));
	CHECK(tc_filters(env, &filter) == 1);
	CHECK(filter.id == second.id && filter.on_device);
	id = first.id;
	inlay_dev_unload(&first);
	CHECK(program_is_gone(id));
	return 0;
}

int offload_tc_flags_kept(struct offload_env *env)
{
	const struct inlay_dev_tc_place place = {.priority = 1, .handle = 1};
	struct inlay_dev_program device, host;
	struct inlay_dev_filter filter;

	CHECK(!load_tc(env, &env->dev, &device));
	CHECK(!load_host_tc(env, &host));
	for (enum inlay_dev_tc was = INLAY_DEV_TC_DEVICE; was <= INLAY_DEV_TC_HOST; was++) {
		enum inlay_dev_tc next =
			was == INLAY_DEV_TC_HOST ? INLAY_DEV_TC_DEVICE : INLAY_DEV_TC_HOST;

		CHECK(!tc_attach(env, was, was == INLAY_DEV_TC_HOST ? host.fd : device.fd));
		CHECK(inlay_dev_tc_attach(&env->dev, next,
					  next == INLAY_DEV_TC_HOST ? host.fd : device.fd, &place,
					  true, &env->error) == -EINVAL);
		CHECK(tc_filters(env, &filter) == 1);
		CHECK(filter.on_device == (was == INLAY_DEV_TC_DEVICE));
		CHECK(!inlay_dev_tc_clear(&env->dev, &env->error));
	}
	return 0;
}

int offload_tc_other_chain(struct offload_env *env)
{
	const struct inlay_dev_tc_place place = {.priority = 1, .handle = 1, .chain = 1};
	struct inlay_dev_program program;

	CHECK(!load_tc(env, &env->dev, &program));
	CHECK(inlay_dev_tc_attach(&env->dev, INLAY_DEV_TC_DEVICE, program.fd, &place, false,
				  &env->error) < 0);
	CHECK(said(env, "Driver supports only offload of chain 0"));
	return 0;
}

int offload_tc_two_filters(struct offload_env *env)
{
	const struct inlay_dev_tc_place place = {.priority = 2, .handle = 2};
	struct inlay_dev_program first, second;
	struct inlay_dev_filter filter;

	CHECK(!load_tc(env, &env->dev, &first));
	CHECK(!load_tc(env, &env->dev, &second));
	CHECK(!tc_attach(env, INLAY_DEV_TC_DEVICE, first.fd));
	CHECK(inlay_dev_tc_attach(&env->dev, INLAY_DEV_TC_DEVICE, second.fd, &place, false,
				  &env->error) == -EBUSY);
	CHECK(tc_filters(env, &filter) == 1);
	CHECK(filter.id == first.id && filter.on_device);
	return 0;
}

int offload_tc_xdp_exclude(struct offload_env *env)
{
	struct inlay_dev_program tc, xdp;
	struct inlay_dev_filter filter;

	CHECK(!load_tc(env, &env->dev, &tc));
	CHECK(!load_xdp(env, &env->dev, &xdp));
	CHECK(!tc_attach(env, INLAY_DEV_TC_DEVICE, tc.fd));
	CHECK(xdp_attach(env, INLAY_DEV_XDP_DEVICE, xdp.fd) == -EBUSY);
	CHECK(!xdp_state(env).attached);
	CHECK(!inlay_dev_tc_clear(&env->dev, &env->error));
	CHECK(!xdp_attach(env, INLAY_DEV_XDP_DEVICE, xdp.fd));
	CHECK(tc_attach(env, INLAY_DEV_TC_DEVICE, tc.fd) == -EBUSY);
	CHECK(tc_filters(env, &filter) == 0);
	return 0;
}

int offload_tc_feature_busy(struct offload_env *env)
{
	const struct inlay_dev_tc_place place = {.priority = 1, .handle = 1};
	struct inlay_dev_program program;
	struct inlay_dev_filter filter;

	CHECK(!load_tc(env, &env->dev, &program));
	CHECK(!tc_attach(env, INLAY_DEV_TC_DEVICE, program.fd));
	CHECK(set_tc_offload(&env->dev, false) < 0);
	CHECK(tc_filters(env, &filter) == 1 && filter.on_device);
	CHECK(!inlay_dev_tc_detach(&env->dev, &place, &env->error));
	CHECK(!set_tc_offload(&env->dev, false));
	return 0;
}

int offload_tc_qdisc_frees(struct offload_env *env)
{
	struct inlay_dev_program program;
	__u32 id;

	CHECK(!load_tc(env, &env->dev, &program));
	id = program.id;
	CHECK(!tc_attach(env, INLAY_DEV_TC_DEVICE, program.fd));
	inlay_dev_unload(&program);
	CHECK(!inlay_dev_tc_clear(&env->dev, &env->error));
	CHECK(program_is_gone(id));
	return 0;
}

int offload_tc_pinned(struct offload_env *env)
{
	struct inlay_dev_program program;
	struct inlay_dev_filter filter;
	char path[64];
	__u32 id;
	int fd;

	snprintf(path, sizeof(path), "/sys/fs/bpf/inlay-conform-%d", getpid());
	CHECK(!load_tc(env, &env->dev, &program));
	id = program.id;
	CHECK(!bpf_obj_pin(program.fd, path));
	inlay_dev_unload(&program);
	fd = bpf_obj_get(path);
	unlink(path);
	CHECK(fd >= 0);
	CHECK(!tc_attach(env, INLAY_DEV_TC_DEVICE, fd));
	CHECK(tc_filters(env, &filter) == 1);
	CHECK(filter.id == id && filter.on_device);
	return 0;
}

int offload_tc_removed_device(struct offload_env *env)
{
	struct inlay_dev_program program;
	struct inlay_dev_filter filter;
	__u32 id;

	CHECK(!load_tc(env, &env->dev, &program));
	id = program.id;
	CHECK(!tc_attach(env, INLAY_DEV_TC_DEVICE, program.fd));
	inlay_dev_unload(&program);
	CHECK(!sim_del(env->sim.id));
	CHECK(program_is_gone(id));
	/* Whoever asks a device that is gone is told so. */
	CHECK(tc_filters(env, &filter) == 0 || env->error.code == -ENODEV);
	return 0;
}

int offload_tc_quiet(struct offload_env *env)
{
	struct inlay_dev_program program;

	CHECK(!load_host_tc(env, &program));
	CHECK(!tc_attach(env, INLAY_DEV_TC_HOST, program.fd));
	CHECK(!strstr(inlay_nl_words(env->dev.nl), "netdevsim"));
	return 0;
}

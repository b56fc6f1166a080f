/* SPDX-License-Identifier: BSD-2-Clause */
/* One XDP program on the device: attached, reported, replaced, detached. */
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bpf_env.h"

#define MANY 60

int offload_xdp_is_reported(struct offload_env *env)
{
	struct inlay_dev_program program;
	struct inlay_dev_xdp_state state;

	CHECK(!load_xdp(env, &env->dev, &program));
	CHECK(xdp_state(env).attached == XDP_ATTACHED_NONE);
	CHECK(!xdp_attach(env, INLAY_DEV_XDP_DEVICE, program.fd));
	state = xdp_state(env);
	CHECK(state.attached == XDP_ATTACHED_HW);
	CHECK(program.id && state.id == program.id);
	CHECK(state.ids[INLAY_DEV_XDP_DEVICE] == program.id);
	CHECK(!state.ids[INLAY_DEV_XDP_DRIVER] && !state.ids[INLAY_DEV_XDP_GENERIC]);
	CHECK(!xdp_detach(env, INLAY_DEV_XDP_DEVICE));
	CHECK(xdp_state(env).attached == XDP_ATTACHED_NONE);
	return 0;
}

int offload_xdp_is_translated(struct offload_env *env)
{
	struct inlay_dev_program program;
	char state[16] = "", id[16] = "";

	CHECK(sim_programs(&env->sim, NULL) == 0);
	CHECK(!load_xdp(env, &env->dev, &program));
	CHECK(sim_programs(&env->sim, state) == 1);
	CHECK(!strcmp(state, "xlated"));
	CHECK(!xdp_attach(env, INLAY_DEV_XDP_DEVICE, program.fd));
	CHECK(!sim_get(&env->sim, 0, "bpf_offloaded_id", id, sizeof(id)));
	CHECK((__u32)atoi(id) == program.id);
	return 0;
}

int offload_xdp_is_bound(struct offload_env *env)
{
	struct inlay_dev_program program, host;
	struct inlay_dev_binding binding;
	struct stat ns;

	CHECK(!stat("/proc/self/ns/net", &ns));
	CHECK(!load_xdp(env, &env->dev, &program));
	CHECK(!inlay_dev_program_binding(program.fd, &binding));
	CHECK(binding.ifindex == (__u32)env->dev.ifindex);
	CHECK(binding.netns_dev == ns.st_dev && binding.netns_ino == ns.st_ino);
	CHECK(!load_host_xdp(env, &host));
	CHECK(!inlay_dev_program_binding(host.fd, &binding));
	CHECK(binding.ifindex == 0 && binding.netns_ino == 0);
	return 0;
}

int offload_xdp_detached_is_gone(struct offload_env *env)
{
	struct inlay_dev_program program;
	__u32 id;

	CHECK(!load_xdp(env, &env->dev, &program));
	id = program.id;
	CHECK(!xdp_attach(env, INLAY_DEV_XDP_DEVICE, program.fd));
	CHECK(!xdp_detach(env, INLAY_DEV_XDP_DEVICE));
	CHECK(inlay_dev_map_fd(&program, "array") == -ENOENT);
	inlay_dev_unload(&program);
	CHECK(program_is_gone(id));
	if (env->sim.n_ports)
		CHECK(sim_settles(&env->sim, 0));
	return 0;
}

int offload_xdp_outlives_its_descriptor(struct offload_env *env)
{
	struct inlay_dev_program program;
	__u32 id;
	int fd;

	CHECK(!load_xdp(env, &env->dev, &program));
	id = program.id;
	CHECK(!xdp_attach(env, INLAY_DEV_XDP_DEVICE, program.fd));
	inlay_dev_unload(&program);
	CHECK(xdp_state(env).ids[INLAY_DEV_XDP_DEVICE] == id);
	fd = bpf_prog_get_fd_by_id(id);
	CHECK(fd >= 0);
	close(fd);
	CHECK(!xdp_detach(env, INLAY_DEV_XDP_DEVICE));
	CHECK(program_is_gone(id));
	return 0;
}

int offload_xdp_twice_detached(struct offload_env *env)
{
	struct inlay_dev_program program;

	CHECK(!load_xdp(env, &env->dev, &program));
	CHECK(!xdp_attach(env, INLAY_DEV_XDP_DEVICE, program.fd));
	for (int i = 0; i < 2; i++)
		CHECK(!xdp_detach(env, INLAY_DEV_XDP_DEVICE));
	CHECK(!xdp_detach(env, INLAY_DEV_XDP_GENERIC));
	CHECK(!xdp_detach(env, INLAY_DEV_XDP_ANY));
	return 0;
}

int offload_xdp_many_times(struct offload_env *env)
{
	struct inlay_dev_program program;
	__u32 id = 0;

	for (int i = 0; i < MANY; i++) {
		CHECK(!load_xdp(env, &env->dev, &program));
		id = program.id;
		CHECK(!xdp_attach(env, INLAY_DEV_XDP_DEVICE, program.fd));
		CHECK(!xdp_detach(env, INLAY_DEV_XDP_DEVICE));
		inlay_dev_unload(&program);
	}
	CHECK(program_is_gone(id));
	if (env->sim.n_ports)
		CHECK(sim_settles(&env->sim, 0));
	return 0;
}

int offload_xdp_not_replaced_unasked(struct offload_env *env)
{
	struct inlay_dev_program first, second;

	CHECK(!load_xdp(env, &env->dev, &first));
	CHECK(!load_xdp(env, &env->dev, &second));
	CHECK(!xdp_attach(env, INLAY_DEV_XDP_DEVICE, first.fd));
	CHECK(xdp_attach(env, INLAY_DEV_XDP_DEVICE, second.fd) == -EBUSY);
	CHECK(said(env, "XDP program already attached"));
	CHECK(strstr(env->error.text, env->dev.name) && strstr(env->error.text, "detach"));
	CHECK(xdp_state(env).id == first.id);
	return 0;
}

int offload_xdp_replaced(struct offload_env *env)
{
	struct inlay_dev_program first, second;
	__u32 id;

	CHECK(!load_xdp(env, &env->dev, &first));
	CHECK(!load_xdp(env, &env->dev, &second));
	CHECK(!xdp_attach(env, INLAY_DEV_XDP_DEVICE, first.fd));
	CHECK(!inlay_dev_xdp_attach(&env->dev, INLAY_DEV_XDP_DEVICE, second.fd, INLAY_DEV_ANY,
				    &env->error));
	CHECK(xdp_state(env).id == second.id);
	id = first.id;
	inlay_dev_unload(&first);
	CHECK(program_is_gone(id));
	return 0;
}

int offload_xdp_replaced_by_name(struct offload_env *env)
{
	struct inlay_dev_program first, second;
	enum inlay_dev_xdp mode = INLAY_DEV_XDP_DEVICE;

	CHECK(!load_xdp(env, &env->dev, &first));
	CHECK(!load_xdp(env, &env->dev, &second));
	CHECK(!xdp_attach(env, mode, first.fd));
	CHECK(inlay_dev_xdp_attach(&env->dev, mode, second.fd, second.fd, &env->error) == -EEXIST);
	CHECK(said(env, "Active program does not match expected"));
	CHECK(xdp_state(env).id == first.id);
	CHECK(!inlay_dev_xdp_attach(&env->dev, mode, second.fd, first.fd, &env->error));
	CHECK(xdp_state(env).id == second.id);
	return 0;
}

int offload_xdp_detached_by_name(struct offload_env *env)
{
	struct inlay_dev_program first, second;
	enum inlay_dev_xdp mode = INLAY_DEV_XDP_DEVICE;

	CHECK(!load_xdp(env, &env->dev, &first));
	CHECK(!load_xdp(env, &env->dev, &second));
	CHECK(!xdp_attach(env, mode, first.fd));
	CHECK(inlay_dev_xdp_detach(&env->dev, mode, second.fd, &env->error) == -EEXIST);
	CHECK(xdp_state(env).id == first.id);
	CHECK(!inlay_dev_xdp_detach(&env->dev, mode, first.fd, &env->error));
	CHECK(!xdp_state(env).id);
	return 0;
}

int offload_xdp_pinned(struct offload_env *env)
{
	struct inlay_dev_program program;
	char path[64];
	__u32 id;
	int fd;

	snprintf(path, sizeof(path), "/sys/fs/bpf/inlay-conform-%d", getpid());
	CHECK(!load_xdp(env, &env->dev, &program));
	id = program.id;
	CHECK(!bpf_obj_pin(program.fd, path));
	inlay_dev_unload(&program);
	fd = bpf_obj_get(path);
	unlink(path);
	CHECK(fd >= 0);
	CHECK(!xdp_attach(env, INLAY_DEV_XDP_DEVICE, fd));
	CHECK(xdp_state(env).id == id);
	return 0;
}

int offload_host_program_not_on_device(struct offload_env *env)
{
	struct inlay_dev_program program;

	CHECK(!load_host_xdp(env, &program));
	CHECK(xdp_attach(env, INLAY_DEV_XDP_DEVICE, program.fd) == -EINVAL);
	CHECK(!xdp_state(env).attached);
	return 0;
}

static int refuse_mode(struct offload_env *env, enum inlay_dev_xdp mode)
{
	struct inlay_dev_program program;

	CHECK(!load_xdp(env, &env->dev, &program));
	CHECK(xdp_attach(env, mode, program.fd) == -EINVAL);
	CHECK(!xdp_state(env).attached);
	return 0;
}

int offload_device_program_not_in_driver(struct offload_env *env)
{
	if (refuse_mode(env, INLAY_DEV_XDP_DRIVER))
		return -1;
	CHECK(said(env, "Using offloaded program without HW_MODE flag is not supported") ||
	      said(env, "attempt to load offloaded prog to drv"));
	return 0;
}

int offload_device_program_not_generic(struct offload_env *env)
{
	return refuse_mode(env, INLAY_DEV_XDP_GENERIC);
}

int offload_tc_program_not_as_xdp(struct offload_env *env)
{
	struct inlay_dev_program program;

	CHECK(!load_tc(env, &env->dev, &program));
	CHECK(xdp_attach(env, INLAY_DEV_XDP_DEVICE, program.fd) == -EINVAL);
	CHECK(!xdp_state(env).attached);
	return 0;
}

int offload_wrong_program_type(struct offload_env *env)
{
	static const enum bpf_prog_type types[] = {
		BPF_PROG_TYPE_SOCKET_FILTER, BPF_PROG_TYPE_KPROBE,	   BPF_PROG_TYPE_SCHED_ACT,
		BPF_PROG_TYPE_TRACEPOINT,    BPF_PROG_TYPE_CGROUP_SKB,	   BPF_PROG_TYPE_LWT_IN,
		BPF_PROG_TYPE_SK_SKB,	     BPF_PROG_TYPE_FLOW_DISSECTOR,
	};
	const struct bpf_insn code[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K},
		{.code = BPF_JMP | BPF_EXIT},
	};
	LIBBPF_OPTS(bpf_prog_load_opts, options, .prog_ifindex = (__u32)env->dev.ifindex);

	for (size_t i = 0; i < INLAY_ARRAY_SIZE(types); i++) {
		errno = 0;
		CHECK(bpf_prog_load(types[i], "inlay", "GPL", code, INLAY_ARRAY_SIZE(code),
				    &options) < 0);
		CHECK(errno == EINVAL);
	}
	/* The same is fine as a type that devices run. */
	CHECK(bpf_prog_load(BPF_PROG_TYPE_XDP, "inlay", "GPL", code, INLAY_ARRAY_SIZE(code),
			    &options) >= 0);
	return 0;
}

int offload_driver_and_generic_exclude(struct offload_env *env)
{
	static const enum inlay_dev_xdp modes[] = {INLAY_DEV_XDP_DRIVER, INLAY_DEV_XDP_GENERIC};
	struct inlay_dev_program program;

	CHECK(!load_host_xdp(env, &program));
	for (int i = 0; i < 2; i++) {
		CHECK(!xdp_attach(env, modes[i], program.fd));
		CHECK(xdp_attach(env, modes[!i], program.fd) == -EEXIST);
		CHECK(said(env, "Native and generic XDP can't be active at the same time"));
		CHECK(xdp_state(env).ids[modes[i]] == program.id);
		CHECK(!xdp_detach(env, modes[i]));
	}
	return 0;
}

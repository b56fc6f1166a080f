/* SPDX-License-Identifier: BSD-2-Clause */
/* Devices, drivers and inputs that say no: what is told, and that nothing is left. */
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bpf_env.h"

#define HELLO "[netdevsim] Hello from netdevsim!"

int offload_refused_bind(struct offload_env *env)
{
	struct inlay_dev_program program;

	CHECK(!sim_set(&env->sim, SIM_DEVICE, "bpf_bind_accept", "N"));
	CHECK(load_xdp(env, &env->dev, &program) == -EOPNOTSUPP);
	CHECK(strstr(env->error.text, env->dev.name) && strstr(env->error.text, "ret.bpf.o"));
	CHECK(strstr(env->error.text, "inlayctl nic check"));
	CHECK(sim_settles(&env->sim, 0));
	CHECK(!sim_set(&env->sim, SIM_DEVICE, "bpf_bind_accept", "Y"));
	CHECK(!load_xdp(env, &env->dev, &program));
	return 0;
}

static int refused_verify(struct offload_env *env,
			  int (*load)(struct offload_env *env, const struct inlay_dev *dev,
				      struct inlay_dev_program *program))
{
	struct inlay_dev_program program;

	CHECK(!sim_set(&env->sim, SIM_DEVICE, "bpf_bind_verifier_accept", "N"));
	CHECK(load(env, &env->dev, &program) == -EOPNOTSUPP);
	CHECK(strstr(env->error.log, HELLO));
	CHECK(strstr(env->error.text, HELLO) && strstr(env->error.text, "inlayctl nic check"));
	CHECK(!strstr(env->error.log, "processed "));
	CHECK(sim_settles(&env->sim, 0));
	CHECK(!sim_set(&env->sim, SIM_DEVICE, "bpf_bind_verifier_accept", "Y"));
	CHECK(!load(env, &env->dev, &program));
	return 0;
}

int offload_refused_verify(struct offload_env *env)
{
	return refused_verify(env, load_xdp);
}

int offload_refused_verify_tc(struct offload_env *env)
{
	return refused_verify(env, load_tc);
}

int offload_driver_words_on_success(struct offload_env *env)
{
	struct inlay_dev_program program;
	char log[4096];
	const struct inlay_dev_load load = {.object = object_ret,
					    .len = object_ret_len,
					    .label = "ret.bpf.o",
					    .program = "ret_xdp",
					    .log = log,
					    .log_room = sizeof(log)};

	CHECK(!inlay_dev_load(&env->dev, &load, &program, &env->error));
	snprintf(env->detail, sizeof(env->detail), "log: %.200s", log);
	CHECK(strstr(log, HELLO));
	env->detail[0] = 0;
	return 0;
}

int offload_refused_attach(struct offload_env *env)
{
	struct inlay_dev_program program;

	CHECK(!load_xdp(env, &env->dev, &program));
	CHECK(!sim_set(&env->sim, 0, "bpf_xdpoffload_accept", "N"));
	CHECK(xdp_attach(env, INLAY_DEV_XDP_DEVICE, program.fd) == -EOPNOTSUPP);
	CHECK(said(env, "XDP offload disabled in DebugFS"));
	CHECK(strstr(env->error.text, "XDP offload disabled in DebugFS"));
	CHECK(!xdp_state(env).attached);
	CHECK(!sim_set(&env->sim, 0, "bpf_xdpoffload_accept", "Y"));
	CHECK(!xdp_attach(env, INLAY_DEV_XDP_DEVICE, program.fd));
	return 0;
}

int offload_refused_driver(struct offload_env *env)
{
	struct inlay_dev_program program;

	CHECK(!load_host_xdp(env, &program));
	CHECK(!sim_set(&env->sim, 0, "bpf_xdpdrv_accept", "N"));
	CHECK(xdp_attach(env, INLAY_DEV_XDP_DRIVER, program.fd) == -EOPNOTSUPP);
	CHECK(said(env, "driver XDP disabled in DebugFS"));
	CHECK(!xdp_state(env).attached);
	CHECK(!xdp_attach(env, INLAY_DEV_XDP_GENERIC, program.fd));
	return 0;
}

int offload_refused_tc(struct offload_env *env)
{
	struct inlay_dev_program program;

	CHECK(!load_tc(env, &env->dev, &program));
	CHECK(!sim_set(&env->sim, 0, "bpf_tc_accept", "N"));
	CHECK(tc_attach(env, INLAY_DEV_TC_DEVICE, program.fd) == -EOPNOTSUPP);
	CHECK(said(env, "netdevsim configured to reject BPF TC offload"));
	CHECK(inlay_dev_tc_clear(&env->dev, &env->error) == -ENOENT);
	CHECK(!sim_set(&env->sim, 0, "bpf_tc_accept", "Y"));
	CHECK(!tc_attach(env, INLAY_DEV_TC_DEVICE, program.fd));
	return 0;
}

int offload_refused_map(struct offload_env *env)
{
	struct inlay_dev_program program;

	CHECK(!sim_set(&env->sim, 0, "bpf_map_accept", "N"));
	CHECK(load_maps(env, &program) == -EOPNOTSUPP);
	CHECK(strstr(env->error.text, "making map 'array'"));
	CHECK(strstr(env->error.text, env->dev.name));
	CHECK(sim_settles(&env->sim, 0));
	CHECK(!sim_set(&env->sim, 0, "bpf_map_accept", "Y"));
	CHECK(!load_maps(env, &program));
	return 0;
}

int offload_refused_mtu(struct offload_env *env)
{
	struct inlay_dev_program program;

	CHECK(!load_host_xdp(env, &program));
	CHECK(!set_mtu(&env->dev, 9000));
	CHECK(xdp_attach(env, INLAY_DEV_XDP_DRIVER, program.fd) == -EINVAL);
	CHECK(said(env, "MTU too large w/ XDP enabled"));
	CHECK(!set_mtu(&env->dev, 1500));
	CHECK(!xdp_attach(env, INLAY_DEV_XDP_DRIVER, program.fd));
	CHECK(set_mtu(&env->dev, 9000) == -EBUSY);
	CHECK(!set_mtu(&env->dev, 1400));
	return 0;
}

int offload_no_device(struct offload_env *env)
{
	struct inlay_dev dev;

	CHECK(inlay_dev_open("inlay-none", &dev, &env->error) == -ENODEV);
	CHECK(strstr(env->error.text, "inlay-none") && strstr(env->error.text, "ip link"));
	return 0;
}

int offload_no_object(struct offload_env *env)
{
	struct inlay_dev_load load = {.label = "cut.bpf.o", .program = "ret_xdp"};
	struct inlay_dev_program program;

	load.object = "no ELF at all, but long enough to be taken for a header of one .......";
	load.len = 64;
	CHECK(inlay_dev_load(&env->dev, &load, &program, &env->error) < 0);
	CHECK(strstr(env->error.text, "cut.bpf.o"));
	load.object = object_ret;
	for (size_t i = 0; i < 16; i++) {
		load.len = object_ret_len * i / 16;
		CHECK(inlay_dev_load(&env->dev, &load, &program, &env->error) < 0);
		CHECK(strstr(env->error.text, "cut.bpf.o"));
	}
	if (env->sim.n_ports)
		CHECK(sim_settles(&env->sim, 0));
	return 0;
}

int offload_no_function(struct offload_env *env)
{
	struct inlay_dev_load load = {.object = object_ret,
				      .len = object_ret_len,
				      .label = "ret.bpf.o",
				      .program = "ret_nothing"};
	struct inlay_dev_program program;

	CHECK(inlay_dev_load(&env->dev, &load, &program, &env->error) == -ENOENT);
	CHECK(strstr(env->error.text, "ret_nothing"));
	/* It has two, and none is named. */
	load.program = NULL;
	CHECK(inlay_dev_load(&env->dev, &load, &program, &env->error) == -ENOENT);
	return 0;
}

int offload_device_goes_before_attach(struct offload_env *env)
{
	struct inlay_dev_program program;
	struct inlay_dev_binding binding;
	__u32 id;

	CHECK(!load_xdp(env, &env->dev, &program));
	CHECK(!sim_del(env->sim.id));
	CHECK(xdp_attach(env, INLAY_DEV_XDP_DEVICE, program.fd) == -ENODEV);
	CHECK(strstr(env->error.text, env->dev.name) && strstr(env->error.text, "gone"));
	CHECK(tc_attach(env, INLAY_DEV_TC_DEVICE, program.fd) == -ENODEV);
	CHECK(inlay_dev_program_binding(program.fd, &binding) == -ENODEV);
	id = program.id;
	inlay_dev_unload(&program);
	CHECK(program_is_gone(id));
	CHECK(load_xdp(env, &env->dev, &program) < 0);
	return 0;
}

int offload_device_goes_while_attached(struct offload_env *env)
{
	struct inlay_dev_program program;
	struct inlay_dev_binding binding;
	struct inlay_dev_xdp_state state;
	__u32 id;

	CHECK(!load_xdp(env, &env->dev, &program));
	CHECK(!xdp_attach(env, INLAY_DEV_XDP_DEVICE, program.fd));
	CHECK(!sim_del(env->sim.id));
	CHECK(inlay_dev_program_binding(program.fd, &binding) == -ENODEV);
	CHECK(inlay_dev_xdp_query(&env->dev, &state, &env->error) == -ENODEV);
	CHECK(xdp_detach(env, INLAY_DEV_XDP_DEVICE) == -ENODEV);
	id = program.id;
	inlay_dev_unload(&program);
	CHECK(program_is_gone(id));
	return 0;
}

int offload_device_goes_while_verifying(struct offload_env *env)
{
	char state[16] = "";
	int status = -1;
	pid_t loader;
	bool verifying = false;

	CHECK(!sim_set(&env->sim, SIM_DEVICE, "bpf_bind_verifier_delay", "500"));
	loader = fork();
	if (loader == 0) {
		struct inlay_dev_program program;

		alarm(20);
		load_xdp(env, &env->dev, &program);
		_exit(0);
	}
	CHECK(loader > 0);
	verifying = sim_settles(&env->sim, 1) && sim_programs(&env->sim, state) == 1 &&
		    !strcmp(state, "verify");
	/* The kernel holds removal until the driver's verification is over. */
	CHECK(!sim_del(env->sim.id));
	CHECK(waitpid(loader, &status, 0) == loader);
	CHECK(WIFEXITED(status));
	CHECK(verifying);
	CHECK(access("/sys/kernel/debug/netdevsim", F_OK) == 0);
	CHECK(sim_programs(&env->sim, NULL) == -ENOENT);
	return 0;
}

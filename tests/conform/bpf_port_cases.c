/* SPDX-License-Identifier: BSD-2-Clause */
/* Devices with several ports, several devices, and network namespaces. */
#include <errno.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bpf_env.h"
#include "netlink.h"

static int attach_to(struct offload_env *env, const struct inlay_dev *dev, int fd, int old_fd)
{
	return inlay_dev_xdp_attach(dev, INLAY_DEV_XDP_DEVICE, fd, old_fd, &env->error);
}

int offload_wrong_device(struct offload_env *env)
{
	struct inlay_dev_program program;
	struct inlay_dev other;
	struct sim sim;

	CHECK(!second_sim(env, &sim, &other));
	CHECK(!load_xdp(env, &other, &program));
	CHECK(xdp_attach(env, INLAY_DEV_XDP_DEVICE, program.fd) == -EINVAL);
	CHECK(said(env, "Program bound to different device"));
	CHECK(!xdp_state(env).attached);
	CHECK(!attach_to(env, &other, program.fd, 0));
	return 0;
}

int offload_two_ports(struct offload_env *env)
{
	struct inlay_dev_program first, second;
	struct inlay_dev port;

	CHECK(!open_port(env, &env->sim, 1, &port));
	CHECK(!load_xdp(env, &env->dev, &first));
	CHECK(!load_xdp(env, &port, &second));
	CHECK(!attach_to(env, &env->dev, second.fd, 0));
	CHECK(!attach_to(env, &port, first.fd, 0));
	CHECK(xdp_state(env).id == second.id);
	return 0;
}

int offload_two_ports_replace(struct offload_env *env)
{
	struct inlay_dev_program first, second, foreign;
	struct inlay_dev port, other;
	struct sim sim;

	CHECK(!open_port(env, &env->sim, 1, &port));
	CHECK(!second_sim(env, &sim, &other));
	CHECK(!load_xdp(env, &env->dev, &first));
	CHECK(!load_xdp(env, &port, &second));
	CHECK(!load_xdp(env, &other, &foreign));
	CHECK(!attach_to(env, &env->dev, first.fd, 0));
	CHECK(attach_to(env, &env->dev, foreign.fd, INLAY_DEV_ANY) == -EINVAL);
	CHECK(said(env, "Program bound to different device"));
	CHECK(xdp_state(env).id == first.id);
	CHECK(!attach_to(env, &env->dev, second.fd, INLAY_DEV_ANY));
	CHECK(xdp_state(env).id == second.id);
	return 0;
}

static int load_with_maps_of(struct offload_env *env, const struct inlay_dev *dev,
			     const struct inlay_dev_program *owner,
			     struct inlay_dev_program *ret_program)
{
	const struct inlay_dev_map maps[] = {
		{"array", inlay_dev_map_fd(owner, "array")},
		{"hash", inlay_dev_map_fd(owner, "hash")},
	};
	const struct inlay_dev_load load = {.object = object_maps,
					    .len = object_maps_len,
					    .label = "maps.bpf.o",
					    .maps = maps,
					    .n_maps = 2};

	return inlay_dev_load(dev, &load, ret_program, &env->error);
}

int offload_two_ports_maps(struct offload_env *env)
{
	struct inlay_dev_program first, second;
	struct inlay_dev port;

	CHECK(!open_port(env, &env->sim, 1, &port));
	CHECK(!load_maps(env, &first));
	CHECK(!load_with_maps_of(env, &port, &first, &second));
	CHECK(!attach_to(env, &env->dev, second.fd, 0));
	return 0;
}

int offload_other_device_maps(struct offload_env *env)
{
	struct inlay_dev_program first, second;
	struct inlay_dev other;
	struct sim sim;

	CHECK(!second_sim(env, &sim, &other));
	CHECK(!load_maps(env, &first));
	CHECK(load_with_maps_of(env, &other, &first, &second) == -EINVAL);
	CHECK(strstr(env->error.log, "offload device mismatch between prog and map"));
	CHECK(sim_settles(&sim, 0));
	return 0;
}

int offload_port_goes(struct offload_env *env)
{
	struct inlay_dev_program program;
	struct inlay_dev_binding binding;
	struct inlay_dev port;

	CHECK(!open_port(env, &env->sim, 1, &port));
	CHECK(!load_xdp(env, &env->dev, &program));
	CHECK(!attach_to(env, &port, program.fd, 0));
	CHECK(!sim_del_port(&env->sim, 0));
	CHECK(!inlay_dev_program_binding(program.fd, &binding));
	CHECK(binding.ifindex == (__u32)port.ifindex);
	env->dev = port;
	CHECK(xdp_state(env).id == program.id);
	return 0;
}

int offload_all_ports_go(struct offload_env *env)
{
	struct inlay_dev_program program;
	struct inlay_dev_binding binding;

	CHECK(!load_maps(env, &program));
	CHECK(!xdp_attach(env, INLAY_DEV_XDP_DEVICE, program.fd));
	CHECK(!sim_del_port(&env->sim, 0));
	CHECK(!inlay_dev_program_binding(program.fd, &binding));
	CHECK(!sim_del_port(&env->sim, 1));
	CHECK(inlay_dev_program_binding(program.fd, &binding) == -ENODEV);
	CHECK(inlay_dev_map_binding(inlay_dev_map_fd(&program, "hash"), &binding) == -ENODEV);
	return 0;
}

/* ip link set DEV netns FD */
static int move_to(const struct inlay_dev *dev, int ns)
{
	struct ifinfomsg info = {.ifi_index = dev->ifindex};
	struct nl_msg *msg = nlmsg_alloc_simple(RTM_NEWLINK, 0);

	if (msg && (nlmsg_append(msg, &info, sizeof(info), NLMSG_ALIGNTO) ||
		    nla_put_u32(msg, IFLA_NET_NS_FD, (__u32)ns))) {
		nlmsg_free(msg);
		return -ENOMEM;
	}
	return inlay_nl_ask(dev->nl, msg, NULL, NULL);
}

int offload_other_namespace(struct offload_env *env)
{
	int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), away;
	struct inlay_dev_program program;
	struct inlay_dev_binding binding;
	struct stat ns;

	CHECK(home >= 0);
	CHECK(!load_xdp(env, &env->dev, &program));
	CHECK(!unshare(CLONE_NEWNET));
	away = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	CHECK(away >= 0 && !fstat(away, &ns));
	/* The socket is of the namespace at home still. */
	CHECK(!move_to(&env->dev, away));
	CHECK(!inlay_dev_program_binding(program.fd, &binding));
	CHECK(binding.ifindex && binding.netns_ino == ns.st_ino && binding.netns_dev == ns.st_dev);
	CHECK(!setns(home, CLONE_NEWNET));
	CHECK(!inlay_dev_program_binding(program.fd, &binding));
	CHECK(binding.netns_ino == ns.st_ino);
	CHECK(!setns(away, CLONE_NEWNET));
	CHECK(!sim_del(env->sim.id));
	CHECK(inlay_dev_program_binding(program.fd, &binding) == -ENODEV);
	return 0;
}

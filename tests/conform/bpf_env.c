/* SPDX-License-Identifier: BSD-2-Clause */
#include "bpf_env.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define WAITS 500 /* of 10 ms */

static int load_ret(struct offload_env *env, const struct inlay_dev *dev, bool tc, bool for_host,
		    struct inlay_dev_program *ret_program)
{
	const struct inlay_dev_load load = {
		.object = object_ret,
		.len = object_ret_len,
		.label = "ret.bpf.o",
		.program = tc ? "ret_tc" : "ret_xdp",
		.tc = tc,
		.for_host = for_host,
	};

	return inlay_dev_load(dev, &load, ret_program, &env->error);
}

int load_xdp(struct offload_env *env, const struct inlay_dev *dev,
	     struct inlay_dev_program *ret_program)
{
	return load_ret(env, dev, false, false, ret_program);
}

int load_tc(struct offload_env *env, const struct inlay_dev *dev,
	    struct inlay_dev_program *ret_program)
{
	return load_ret(env, dev, true, false, ret_program);
}

int load_host_xdp(struct offload_env *env, struct inlay_dev_program *ret_program)
{
	return load_ret(env, &env->dev, false, true, ret_program);
}

int load_host_tc(struct offload_env *env, struct inlay_dev_program *ret_program)
{
	return load_ret(env, &env->dev, true, true, ret_program);
}

int load_maps(struct offload_env *env, struct inlay_dev_program *ret_program)
{
	const struct inlay_dev_load load = {
		.object = object_maps, .len = object_maps_len, .label = "maps.bpf.o"};

	return inlay_dev_load(&env->dev, &load, ret_program, &env->error);
}

int xdp_attach(struct offload_env *env, enum inlay_dev_xdp mode, int fd)
{
	return inlay_dev_xdp_attach(&env->dev, mode, fd, 0, &env->error);
}

int xdp_detach(struct offload_env *env, enum inlay_dev_xdp mode)
{
	return inlay_dev_xdp_detach(&env->dev, mode, INLAY_DEV_ANY, &env->error);
}

struct inlay_dev_xdp_state xdp_state(struct offload_env *env)
{
	struct inlay_dev_xdp_state state = {.attached = 0xff};

	inlay_dev_xdp_query(&env->dev, &state, &env->error);
	return state;
}

int tc_attach(struct offload_env *env, enum inlay_dev_tc mode, int fd)
{
	const struct inlay_dev_tc_place place = {.priority = 1, .handle = 1};

	return inlay_dev_tc_attach(&env->dev, mode, fd, &place, false, &env->error);
}

size_t tc_filters(struct offload_env *env, struct inlay_dev_filter *ret_first)
{
	size_t n = 0;

	*ret_first = (struct inlay_dev_filter){0};
	if (inlay_dev_tc_query(&env->dev, ret_first, 1, &n, &env->error))
		return 99;
	return n;
}

bool said(const struct offload_env *env, const char *words)
{
	return strstr(env->error.kernel, words);
}

int open_port(struct offload_env *env, const struct sim *sim, __u32 port, struct inlay_dev *ret_dev)
{
	return inlay_dev_open(sim->names[port], ret_dev, &env->error);
}

int second_sim(struct offload_env *env, struct sim *ret_sim, struct inlay_dev *ret_dev)
{
	int err = sim_new(ret_sim, env->sim.id + 1, 1);

	return err ? err : open_port(env, ret_sim, 0, ret_dev);
}

static bool is_gone(__u32 id, int (*find)(__u32 id))
{
	const struct timespec nap = {.tv_nsec = 10 * 1000 * 1000};

	for (int i = 0; i < WAITS; i++) {
		int fd = find(id);

		if (fd < 0)
			return errno == ENOENT;
		close(fd);
		nanosleep(&nap, NULL);
	}
	return false;
}

bool program_is_gone(__u32 id)
{
	return is_gone(id, bpf_prog_get_fd_by_id);
}

bool map_is_gone(__u32 id)
{
	return is_gone(id, bpf_map_get_fd_by_id);
}

static int device_ioctl(const struct inlay_dev *dev, unsigned long request, struct ifreq *ifr)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), err;

	if (fd < 0)
		return -errno;
	memcpy(ifr->ifr_name, dev->name, IFNAMSIZ);
	err = ioctl(fd, request, ifr) ? -errno : 0;
	close(fd);
	return err;
}

static int ethtool(const struct inlay_dev *dev, void *command)
{
	struct ifreq ifr = {.ifr_data = command};

	return device_ioctl(dev, SIOCETHTOOL, &ifr);
}

/* The place of the feature among the kernel's names; -errno. */
static int find_feature(const struct inlay_dev *dev, const char *name, __u32 *ret_n)
{
	/* One number stands behind the header. */
	union {
		struct ethtool_sset_info head;
		__u8 room[sizeof(struct ethtool_sset_info) + sizeof(__u32)];
	} count = {.head = {.cmd = ETHTOOL_GSSET_INFO, .sset_mask = 1ULL << ETH_SS_FEATURES}};
	struct ethtool_gstrings *names;
	int err = ethtool(dev, &count);
	__u32 n;

	if (err)
		return err;
	memcpy(&n, count.head.data, sizeof(n));
	names = calloc(1, sizeof(*names) + (size_t)n * ETH_GSTRING_LEN);
	if (!names)
		return -ENOMEM;
	names->cmd = ETHTOOL_GSTRINGS;
	names->string_set = ETH_SS_FEATURES;
	names->len = n;
	*ret_n = n;
	err = ethtool(dev, names);
	for (__u32 i = 0; !err && i < names->len; i++)
		if (!strncmp((char *)names->data + (size_t)i * ETH_GSTRING_LEN, name,
			     ETH_GSTRING_LEN))
			err = (int)i + 1;
	free(names);
	return err > 0 ? err - 1 : err ? err : -ENOENT;
}

int tc_offload_is_on(const struct inlay_dev *dev)
{
	struct ethtool_gfeatures *get;
	__u32 n = 0;
	int at = find_feature(dev, "hw-tc-offload", &n), ret;

	if (at < 0)
		return at;
	get = calloc(1, sizeof(*get) + (n + 31) / 32 * sizeof(get->features[0]));
	if (!get)
		return -ENOMEM;
	get->cmd = ETHTOOL_GFEATURES;
	get->size = (n + 31) / 32;
	ret = ethtool(dev, get);
	if (!ret)
		ret = get->features[at / 32].active >> at % 32 & 1;
	free(get);
	return ret;
}

int set_tc_offload(const struct inlay_dev *dev, bool on)
{
	struct ethtool_sfeatures *set;
	__u32 n = 0;
	int at = find_feature(dev, "hw-tc-offload", &n), err;

	if (at < 0)
		return at;
	set = calloc(1, sizeof(*set) + (n + 31) / 32 * sizeof(set->features[0]));
	if (!set)
		return -ENOMEM;
	set->cmd = ETHTOOL_SFEATURES;
	set->size = (n + 31) / 32;
	set->features[at / 32].valid = 1U << at % 32;
	set->features[at / 32].requested = on ? 1U << at % 32 : 0;
	err = ethtool(dev, set);
	free(set);
	return err;
}

int set_mtu(const struct inlay_dev *dev, int mtu)
{
	struct ifreq ifr = {.ifr_mtu = mtu};

	return device_ioctl(dev, SIOCSIFMTU, &ifr);
}

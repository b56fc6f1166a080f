/* SPDX-License-Identifier: BSD-2-Clause */
/* Maps on the device, as the host sees them. */
#include <bpf/bpf.h>
#include <errno.h>
#include <unistd.h>

#include "bpf_env.h"

/* A map of two entries, key u32, value u64. File descriptor; -errno. */
static int make_map(struct offload_env *env, enum bpf_map_type type, __u32 entries, __u32 flags)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_ifindex = (__u32)env->dev.ifindex,
		    .map_flags = flags);
	int fd = bpf_map_create(type, "inlay", sizeof(__u32), sizeof(__u64), entries, &options);

	return fd < 0 ? -errno : fd;
}

static int update(int fd, __u32 key, __u64 value, __u64 flags)
{
	return bpf_map_update_elem(fd, &key, &value, flags) ? -errno : 0;
}

static int lookup(int fd, __u32 key, __u64 *ret_value)
{
	return bpf_map_lookup_elem(fd, &key, ret_value) ? -errno : 0;
}

int offload_map_is_bound(struct offload_env *env)
{
	struct inlay_dev_program program;
	struct inlay_dev_binding binding;

	CHECK(!load_maps(env, &program));
	CHECK(inlay_dev_map_fd(&program, "array") >= 0 && inlay_dev_map_fd(&program, "hash") >= 0);
	CHECK(!inlay_dev_map_binding(inlay_dev_map_fd(&program, "array"), &binding));
	CHECK(binding.ifindex == (__u32)env->dev.ifindex && binding.netns_ino);
	CHECK(!inlay_dev_map_binding(inlay_dev_map_fd(&program, "hash"), &binding));
	CHECK(binding.ifindex == (__u32)env->dev.ifindex);
	CHECK(!xdp_attach(env, INLAY_DEV_XDP_DEVICE, program.fd));
	return 0;
}

int offload_map_update(struct offload_env *env)
{
	int array = make_map(env, BPF_MAP_TYPE_ARRAY, 2, 0);
	int hash = make_map(env, BPF_MAP_TYPE_HASH, 2, 0);
	__u64 value;

	CHECK(array >= 0 && hash >= 0);
	CHECK(lookup(hash, 0, &value) == -ENOENT);
	CHECK(!lookup(array, 0, &value) && value == 0);
	for (__u32 key = 0; key < 2; key++) {
		CHECK(!update(array, key, 0x1122334455667788 + key, BPF_ANY));
		CHECK(!update(hash, key, 0x8877665544332211 + key, BPF_ANY));
	}
	for (__u32 key = 0; key < 2; key++) {
		CHECK(!lookup(array, key, &value) && value == 0x1122334455667788ULL + key);
		CHECK(!lookup(hash, key, &value) && value == 0x8877665544332211 + key);
	}
	return 0;
}

int offload_map_update_flags(struct offload_env *env)
{
	int array = make_map(env, BPF_MAP_TYPE_ARRAY, 2, 0);
	int hash = make_map(env, BPF_MAP_TYPE_HASH, 2, 0);
	__u64 value;

	CHECK(array >= 0 && hash >= 0);
	CHECK(update(hash, 7, 1, BPF_EXIST) == -ENOENT);
	CHECK(!update(hash, 7, 1, BPF_NOEXIST));
	CHECK(update(hash, 7, 2, BPF_NOEXIST) == -EEXIST);
	CHECK(!lookup(hash, 7, &value) && value == 1);
	CHECK(!update(hash, 7, 3, BPF_EXIST));
	CHECK(!lookup(hash, 7, &value) && value == 3);
	/* An array has all its keys. */
	CHECK(update(array, 1, 2, BPF_NOEXIST) == -EEXIST);
	CHECK(!update(array, 1, 2, BPF_EXIST));
	CHECK(!lookup(array, 1, &value) && value == 2);
	return 0;
}

int offload_map_flags_unknown(struct offload_env *env)
{
	int hash = make_map(env, BPF_MAP_TYPE_HASH, 2, 0);
	__u64 value;

	CHECK(hash >= 0);
	CHECK(update(hash, 1, 1, BPF_EXIST + 1) == -EINVAL);
	CHECK(lookup(hash, 1, &value) == -ENOENT);
	return 0;
}

int offload_map_full(struct offload_env *env)
{
	int hash = make_map(env, BPF_MAP_TYPE_HASH, 2, 0);

	CHECK(hash >= 0);
	CHECK(!update(hash, 1, 1, BPF_ANY) && !update(hash, 2, 2, BPF_ANY));
	CHECK(update(hash, 3, 3, BPF_ANY) == -E2BIG);
	CHECK(!update(hash, 2, 5, BPF_ANY));
	return 0;
}

static int walk(struct offload_env *env, int fd, __u32 first)
{
	__u32 key, next;
	unsigned int seen = 0;

	CHECK(!bpf_map_get_next_key(fd, NULL, &key));
	for (int i = 0; i < 3; i++) {
		CHECK(key - first < 2 && !(seen & 1U << (key - first)));
		seen |= 1U << (key - first);
		if (bpf_map_get_next_key(fd, &key, &next))
			break;
		key = next;
	}
	CHECK(errno == ENOENT);
	CHECK(seen == 3);
	return 0;
}

int offload_map_walk(struct offload_env *env)
{
	int array = make_map(env, BPF_MAP_TYPE_ARRAY, 2, 0);
	int hash = make_map(env, BPF_MAP_TYPE_HASH, 2, 0);
	__u32 key;

	CHECK(array >= 0 && hash >= 0);
	CHECK(bpf_map_get_next_key(hash, NULL, &key) && errno == ENOENT);
	CHECK(!update(hash, 40, 1, BPF_ANY) && !update(hash, 41, 1, BPF_ANY));
	return walk(env, array, 0) || walk(env, hash, 40) ? -1 : 0;
}

int offload_map_delete_hash(struct offload_env *env)
{
	int hash = make_map(env, BPF_MAP_TYPE_HASH, 2, 0);
	__u32 key = 9;
	__u64 value;

	CHECK(hash >= 0);
	CHECK(!update(hash, key, 1, BPF_ANY));
	CHECK(!bpf_map_delete_elem(hash, &key));
	CHECK(lookup(hash, key, &value) == -ENOENT);
	CHECK(bpf_map_delete_elem(hash, &key) && errno == ENOENT);
	/* Its room is free again. */
	CHECK(!update(hash, 10, 1, BPF_ANY) && !update(hash, 11, 1, BPF_ANY));
	return 0;
}

int offload_map_delete_array(struct offload_env *env)
{
	int array = make_map(env, BPF_MAP_TYPE_ARRAY, 2, 0);
	__u32 key = 0;
	__u64 value;

	CHECK(array >= 0);
	CHECK(!update(array, key, 5, BPF_ANY));
	CHECK(bpf_map_delete_elem(array, &key) && errno == EINVAL);
	CHECK(!lookup(array, key, &value) && value == 5);
	return 0;
}

static __u32 map_id(int fd)
{
	struct bpf_map_info info = {0};
	__u32 len = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &len) ? 0 : info.id;
}

int offload_map_closed_is_gone(struct offload_env *env)
{
	struct inlay_dev_program program;
	__u32 array, hash;

	CHECK(!load_maps(env, &program));
	array = map_id(inlay_dev_map_fd(&program, "array"));
	hash = map_id(inlay_dev_map_fd(&program, "hash"));
	CHECK(array && hash);
	CHECK(!xdp_attach(env, INLAY_DEV_XDP_DEVICE, program.fd));
	inlay_dev_unload(&program);
	/* The program that runs holds them. */
	CHECK(bpf_map_get_fd_by_id(array) >= 0);
	close(bpf_map_get_fd_by_id(array));
	CHECK(!xdp_detach(env, INLAY_DEV_XDP_DEVICE));
	CHECK(map_is_gone(hash));
	return 0;
}

int offload_map_reused(struct offload_env *env)
{
	struct inlay_dev_program first, second;
	struct inlay_dev_map maps[2];
	const struct inlay_dev_load load = {.object = object_maps,
					    .len = object_maps_len,
					    .label = "maps.bpf.o",
					    .maps = maps,
					    .n_maps = 2};
	__u64 value;

	CHECK(!load_maps(env, &first));
	maps[0] = (struct inlay_dev_map){"array", inlay_dev_map_fd(&first, "array")};
	maps[1] = (struct inlay_dev_map){"hash", inlay_dev_map_fd(&first, "hash")};
	CHECK(!inlay_dev_load(&env->dev, &load, &second, &env->error));
	CHECK(map_id(inlay_dev_map_fd(&second, "hash")) == map_id(maps[1].fd));
	CHECK(!update(maps[1].fd, 3, 33, BPF_ANY));
	CHECK(!lookup(inlay_dev_map_fd(&second, "hash"), 3, &value) && value == 33);
	CHECK(!xdp_attach(env, INLAY_DEV_XDP_DEVICE, second.fd));
	return 0;
}

int offload_map_of_host(struct offload_env *env)
{
	struct inlay_dev_program program;
	struct inlay_dev_map map = {"array", -1};
	const struct inlay_dev_load load = {.object = object_maps,
					    .len = object_maps_len,
					    .label = "maps.bpf.o",
					    .maps = &map,
					    .n_maps = 1};

	map.fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "array", sizeof(__u32), sizeof(__u64), 2, NULL);
	CHECK(map.fd >= 0);
	CHECK(inlay_dev_load(&env->dev, &load, &program, &env->error) == -EINVAL);
	CHECK(strstr(env->error.log, "offload device mismatch between prog and map"));
	if (env->sim.n_ports)
		CHECK(sim_settles(&env->sim, 0));
	return 0;
}

int offload_map_types_refused(struct offload_env *env)
{
	static const enum bpf_map_type types[] = {
		BPF_MAP_TYPE_PERCPU_ARRAY, BPF_MAP_TYPE_PERCPU_HASH, BPF_MAP_TYPE_LRU_HASH,
		BPF_MAP_TYPE_PROG_ARRAY,   BPF_MAP_TYPE_DEVMAP,	     BPF_MAP_TYPE_CPUMAP,
		BPF_MAP_TYPE_XSKMAP,	   BPF_MAP_TYPE_QUEUE,
	};

	for (size_t i = 0; i < INLAY_ARRAY_SIZE(types); i++)
		CHECK(make_map(env, types[i], 2, 0) == -EINVAL);
	return 0;
}

int offload_map_flags_refused(struct offload_env *env)
{
	CHECK(make_map(env, BPF_MAP_TYPE_HASH, 2, BPF_F_NO_PREALLOC) == -EINVAL);
	CHECK(make_map(env, BPF_MAP_TYPE_ARRAY, 2, BPF_F_RDONLY_PROG) == -EINVAL);
	CHECK(make_map(env, BPF_MAP_TYPE_ARRAY, 2, BPF_F_MMAPABLE) == -EINVAL);
	return 0;
}

int offload_map_too_large(struct offload_env *env)
{
	CHECK(make_map(env, BPF_MAP_TYPE_ARRAY, 3, 0) == -ENOMEM);
	CHECK(make_map(env, BPF_MAP_TYPE_HASH, 3, 0) == -ENOMEM);
	CHECK(make_map(env, BPF_MAP_TYPE_ARRAY, 2, 0) >= 0);
	return 0;
}

int offload_map_removed_device(struct offload_env *env)
{
	struct inlay_dev_program program;
	struct inlay_dev_binding binding;
	int hash;
	__u64 value;
	__u32 key;

	CHECK(!load_maps(env, &program));
	hash = inlay_dev_map_fd(&program, "hash");
	CHECK(!update(hash, 1, 1, BPF_ANY));
	CHECK(!sim_del(env->sim.id));
	CHECK(inlay_dev_map_binding(hash, &binding) == -ENODEV);
	CHECK(lookup(hash, 1, &value) == -ENODEV);
	CHECK(update(hash, 1, 1, BPF_ANY) == -ENODEV);
	CHECK(bpf_map_get_next_key(hash, NULL, &key) && errno == ENODEV);
	return 0;
}

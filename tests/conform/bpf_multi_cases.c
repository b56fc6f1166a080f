/* SPDX-License-Identifier: BSD-2-Clause */
/* A program of the host, in one mode or another, beside the device's own. */
#include <errno.h>
#include <linux/if_link.h>

#include "bpf_env.h"

/* Both attached, the device's first. */
static int attach_both(struct offload_env *env, enum inlay_dev_xdp mode,
		       struct inlay_dev_program *device, struct inlay_dev_program *host)
{
	CHECK(!load_xdp(env, &env->dev, device));
	CHECK(!load_host_xdp(env, host));
	CHECK(!xdp_attach(env, INLAY_DEV_XDP_DEVICE, device->fd));
	CHECK(!xdp_attach(env, mode, host->fd));
	return 0;
}

static int both_reported(struct offload_env *env, enum inlay_dev_xdp mode, enum inlay_dev_xdp shown)
{
	struct inlay_dev_program device, host;
	struct inlay_dev_xdp_state state;

	if (attach_both(env, mode, &device, &host))
		return -1;
	state = xdp_state(env);
	CHECK(state.attached == XDP_ATTACHED_MULTI);
	CHECK(!state.id); /* there is no only one */
	CHECK(state.ids[INLAY_DEV_XDP_DEVICE] == device.id);
	CHECK(state.ids[shown] == host.id);
	return 0;
}

int offload_driver_beside_device(struct offload_env *env)
{
	return both_reported(env, INLAY_DEV_XDP_DRIVER, INLAY_DEV_XDP_DRIVER);
}

int offload_generic_beside_device(struct offload_env *env)
{
	return both_reported(env, INLAY_DEV_XDP_GENERIC, INLAY_DEV_XDP_GENERIC);
}

int offload_default_beside_device(struct offload_env *env)
{
	/* The driver's mode, where the driver has any (net/core/dev.c, dev_xdp_mode). */
	return both_reported(env, INLAY_DEV_XDP_ANY, INLAY_DEV_XDP_DRIVER);
}

static int not_replaced(struct offload_env *env, enum inlay_dev_xdp mode)
{
	struct inlay_dev_program device, host, another;

	if (attach_both(env, mode, &device, &host))
		return -1;
	CHECK(!load_xdp(env, &env->dev, &another));
	CHECK(xdp_attach(env, INLAY_DEV_XDP_DEVICE, another.fd) == -EBUSY);
	CHECK(said(env, "XDP program already attached"));
	CHECK(xdp_attach(env, mode, host.fd) == -EBUSY);
	CHECK(xdp_state(env).ids[INLAY_DEV_XDP_DEVICE] == device.id);
	CHECK(xdp_state(env).ids[mode] == host.id);
	return 0;
}

int offload_driver_beside_not_replaced(struct offload_env *env)
{
	return not_replaced(env, INLAY_DEV_XDP_DRIVER);
}

int offload_generic_beside_not_replaced(struct offload_env *env)
{
	return not_replaced(env, INLAY_DEV_XDP_GENERIC);
}

static int ambiguous(struct offload_env *env, enum inlay_dev_xdp mode)
{
	struct inlay_dev_program device, host;

	if (attach_both(env, mode, &device, &host))
		return -1;
	CHECK(xdp_detach(env, INLAY_DEV_XDP_ANY) == -EINVAL);
	CHECK(said(env, "More than one program loaded, unset mode is ambiguous"));
	CHECK(xdp_state(env).attached == XDP_ATTACHED_MULTI);
	CHECK(!xdp_detach(env, mode));
	CHECK(!xdp_detach(env, INLAY_DEV_XDP_DEVICE));
	CHECK(xdp_state(env).attached == XDP_ATTACHED_NONE);
	return 0;
}

int offload_driver_beside_ambiguous(struct offload_env *env)
{
	return ambiguous(env, INLAY_DEV_XDP_DRIVER);
}

int offload_generic_beside_ambiguous(struct offload_env *env)
{
	return ambiguous(env, INLAY_DEV_XDP_GENERIC);
}

static int host_stays(struct offload_env *env, enum inlay_dev_xdp mode, __u8 attached)
{
	struct inlay_dev_program device, host;

	if (attach_both(env, mode, &device, &host))
		return -1;
	CHECK(!xdp_detach(env, INLAY_DEV_XDP_DEVICE));
	CHECK(xdp_state(env).attached == attached);
	CHECK(xdp_state(env).id == host.id);
	CHECK(!xdp_attach(env, INLAY_DEV_XDP_DEVICE, device.fd));
	CHECK(xdp_state(env).attached == XDP_ATTACHED_MULTI);
	CHECK(xdp_state(env).ids[INLAY_DEV_XDP_DEVICE] == device.id);
	CHECK(xdp_state(env).ids[mode] == host.id);
	return 0;
}

int offload_driver_stays(struct offload_env *env)
{
	return host_stays(env, INLAY_DEV_XDP_DRIVER, XDP_ATTACHED_DRV);
}

int offload_generic_stays(struct offload_env *env)
{
	return host_stays(env, INLAY_DEV_XDP_GENERIC, XDP_ATTACHED_SKB);
}

static int both_removed(struct offload_env *env, enum inlay_dev_xdp mode)
{
	struct inlay_dev_program device, host;
	__u32 device_id, host_id;

	if (attach_both(env, mode, &device, &host))
		return -1;
	device_id = device.id;
	host_id = host.id;
	inlay_dev_unload(&device);
	inlay_dev_unload(&host);
	CHECK(!sim_del(env->sim.id));
	CHECK(program_is_gone(device_id));
	CHECK(program_is_gone(host_id));
	return 0;
}

int offload_driver_beside_removed(struct offload_env *env)
{
	return both_removed(env, INLAY_DEV_XDP_DRIVER);
}

int offload_generic_beside_removed(struct offload_env *env)
{
	return both_removed(env, INLAY_DEV_XDP_GENERIC);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* Devices by name, errors in words, and XDP on them. */
#include "netdev.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "netdev_impl.h"
#include "netlink.h"

static const struct {
	enum device_step step;
	int code;
	const char *advice;
} advices[] = {
	{STEP_MAP, -EOPNOTSUPP,
	 "its driver or firmware has no such maps: `inlayctl nic check` says which"},
	{STEP_MAP, -ENOMEM,
	 "the device has no room for a map of that size: `inlayctl nic check` knows the limits"},
	{STEP_MAP, -EINVAL,
	 "the device's driver offloads no maps, or not with these flags or this type"},
	{STEP_PROGRAM, -EOPNOTSUPP,
	 "the device refuses the program: run `inlayctl nic check` with its profile"},
	{STEP_PROGRAM, -EINVAL,
	 "the verifier or the driver refuses it: a driver that runs no eBPF gives this too "
	 "(`inlayctl nic probe`)"},
	{STEP_XDP, -EEXIST, "another program is attached: detach it, or replace it by naming it"},
	{STEP_XDP, -EBUSY,
	 "another program is attached, or one of tc runs on the device: detach it first"},
	{STEP_XDP, -EOPNOTSUPP, "the driver has no such mode"},
	{STEP_TC, -EEXIST, "a filter stands there: choose another priority, or replace it"},
	{STEP_TC, -EOPNOTSUPP,
	 "switch tc offload on (ethtool -K DEVICE hw-tc-offload on), if it has it"},
	{STEP_TC, -EINVAL,
	 "the program must be loaded for this device, and tc offload be on (ethtool -K DEVICE "
	 "hw-tc-offload on)"},
	{STEP_TC, -EBUSY, "the device runs another program: detach that first"},
};

static const char *advise(enum device_step step, int code)
{
	if (code == -EPERM || code == -EACCES)
		return "this takes root, or the capabilities CAP_NET_ADMIN, CAP_BPF and "
		       "CAP_SYS_ADMIN";
	if (code == -ENODEV)
		return "the device is gone: look for it with `ip link`";
	if (code == -ETIMEDOUT)
		return "the driver does not answer: see the kernel's log";
	for (size_t i = 0; i < INLAY_ARRAY_SIZE(advices); i++)
		if (advices[i].step == step && advices[i].code == code)
			return advices[i].advice;
	return "the kernel's log (dmesg) may say more";
}

int device_fail(struct inlay_dev_error *ret_error, const struct inlay_dev *dev,
		enum device_step step, int code, const char *what, ...)
{
	size_t room = sizeof(ret_error->text), n;
	char *text = ret_error->text;
	va_list args;

	ret_error->code = code;
	n = (size_t)snprintf(text, room, "%s: ", dev->name);
	va_start(args, what);
	n += (size_t)vsnprintf(text + n, room - n, what, args);
	va_end(args);
	if (n < room)
		n += (size_t)snprintf(text + n, room - n, ": %s", strerror(-code));
	if (n < room && ret_error->kernel[0])
		n += (size_t)snprintf(text + n, room - n, " (%s)", ret_error->kernel);
	if (n < room && ret_error->log[0])
		n += (size_t)snprintf(text + n, room - n, "\nverifier: %s\n", ret_error->log);
	if (n < room)
		snprintf(text + n, room - n, "; %s", advise(step, code));
	return code;
}

int device_answer(struct inlay_dev_error *ret_error, const struct inlay_dev *dev,
		  enum device_step step, int code, const char *what)
{
	if (!code)
		return 0;
	ret_error->log[0] = 0;
	snprintf(ret_error->kernel, sizeof(ret_error->kernel), "%s", inlay_nl_words(dev->nl));
	return device_fail(ret_error, dev, step, code, "%s", what);
}

static struct nl_msg *link_message(const struct inlay_dev *dev, int type)
{
	struct ifinfomsg info = {.ifi_family = AF_UNSPEC, .ifi_index = dev->ifindex};
	struct nl_msg *msg = nlmsg_alloc_simple(type, 0);

	if (msg && nlmsg_append(msg, &info, sizeof(info), NLMSG_ALIGNTO)) {
		nlmsg_free(msg);
		return NULL;
	}
	return msg;
}

void inlay_dev_close(struct inlay_dev *dev)
{
	inlay_nl_free(dev->nl);
	dev->nl = NULL;
}

static void take_ifindex(void *user, struct nlmsghdr *header)
{
	const struct ifinfomsg *info = nlmsg_data(header);

	if (header->nlmsg_type == RTM_NEWLINK && nlmsg_datalen(header) >= (int)sizeof(*info))
		*(int *)user = info->ifi_index;
}

/* Not by if_nametoindex(): for a name that there is not that has the kernel look for a module. */
static int find_ifindex(struct inlay_dev *dev)
{
	struct nl_msg *msg = link_message(dev, RTM_GETLINK);

	if (msg && nla_put_string(msg, IFLA_IFNAME, dev->name)) {
		nlmsg_free(msg);
		return -ENOMEM;
	}
	return inlay_nl_ask(dev->nl, msg, take_ifindex, &dev->ifindex);
}

int inlay_dev_open(const char *name, struct inlay_dev *ret_dev, struct inlay_dev_error *ret_error)
{
	struct inlay_dev dev = {0};
	int err;

	*ret_error = (struct inlay_dev_error){0};
	snprintf(dev.name, sizeof(dev.name), "%s", name);
	err = inlay_nl_new(NETLINK_ROUTE, &dev.nl);
	if (err)
		return device_fail(ret_error, &dev, STEP_OPEN, err, "opening netlink");
	err = strlen(name) < sizeof(dev.name) ? find_ifindex(&dev) : -ENODEV;
	if (!err && !dev.ifindex)
		err = -ENODEV;
	if (err) {
		inlay_dev_close(&dev);
		return device_fail(ret_error, &dev, STEP_OPEN, err, "looking for the device");
	}
	*ret_dev = dev;
	return 0;
}

/* |fd| -1 detaches. */
static int set_xdp(const struct inlay_dev *dev, enum inlay_dev_xdp mode, int fd, int old_fd)
{
	static const __u32 mode_flags[] = {
		[INLAY_DEV_XDP_GENERIC] = XDP_FLAGS_SKB_MODE,
		[INLAY_DEV_XDP_DRIVER] = XDP_FLAGS_DRV_MODE,
		[INLAY_DEV_XDP_DEVICE] = XDP_FLAGS_HW_MODE,
	};
	struct nl_msg *msg = link_message(dev, RTM_SETLINK);
	__u32 flags = mode_flags[mode];
	struct nlattr *nest;

	if (!msg)
		return -ENOMEM;
	if (old_fd == 0)
		flags |= XDP_FLAGS_UPDATE_IF_NOEXIST;
	else if (old_fd > 0)
		flags |= XDP_FLAGS_REPLACE;
	nest = nla_nest_start(msg, IFLA_XDP);
	if (!nest || nla_put_s32(msg, IFLA_XDP_FD, fd) ||
	    (flags && nla_put_u32(msg, IFLA_XDP_FLAGS, flags)) ||
	    (old_fd > 0 && nla_put_s32(msg, IFLA_XDP_EXPECTED_FD, old_fd))) {
		nlmsg_free(msg);
		return -ENOMEM;
	}
	nla_nest_end(msg, nest);
	return inlay_nl_ask(dev->nl, msg, NULL, NULL);
}

int inlay_dev_xdp_attach(const struct inlay_dev *dev, enum inlay_dev_xdp mode, int fd, int old_fd,
			 struct inlay_dev_error *ret_error)
{
	return device_answer(ret_error, dev, STEP_XDP, set_xdp(dev, mode, fd, old_fd),
			     mode == INLAY_DEV_XDP_DEVICE ? "attaching XDP on the device itself"
							  : "attaching XDP");
}

int inlay_dev_xdp_detach(const struct inlay_dev *dev, enum inlay_dev_xdp mode, int old_fd,
			 struct inlay_dev_error *ret_error)
{
	return device_answer(ret_error, dev, STEP_XDP, set_xdp(dev, mode, -1, old_fd),
			     "detaching XDP");
}

static void take_link(void *user, struct nlmsghdr *header)
{
	struct inlay_dev_xdp_state *state = user;
	struct nlattr *link[IFLA_MAX + 1] = {0}, *xdp[IFLA_XDP_MAX + 1] = {0};
	static const struct {
		int attr;
		enum inlay_dev_xdp mode;
	} ids[] = {
		{IFLA_XDP_SKB_PROG_ID, INLAY_DEV_XDP_GENERIC},
		{IFLA_XDP_DRV_PROG_ID, INLAY_DEV_XDP_DRIVER},
		{IFLA_XDP_HW_PROG_ID, INLAY_DEV_XDP_DEVICE},
	};

	if (header->nlmsg_type != RTM_NEWLINK ||
	    nlmsg_parse(header, sizeof(struct ifinfomsg), link, IFLA_MAX, NULL) ||
	    !link[IFLA_XDP] || nla_parse_nested(xdp, IFLA_XDP_MAX, link[IFLA_XDP], NULL))
		return;
	if (xdp[IFLA_XDP_ATTACHED])
		state->attached = nla_get_u8(xdp[IFLA_XDP_ATTACHED]);
	if (xdp[IFLA_XDP_PROG_ID])
		state->id = nla_get_u32(xdp[IFLA_XDP_PROG_ID]);
	for (size_t i = 0; i < INLAY_ARRAY_SIZE(ids); i++)
		if (xdp[ids[i].attr])
			state->ids[ids[i].mode] = nla_get_u32(xdp[ids[i].attr]);
}

int inlay_dev_xdp_query(const struct inlay_dev *dev, struct inlay_dev_xdp_state *ret_state,
			struct inlay_dev_error *ret_error)
{
	struct inlay_dev_xdp_state state = {0};
	int err = inlay_nl_ask(dev->nl, link_message(dev, RTM_GETLINK), take_link, &state);

	if (!err)
		*ret_state = state;
	return device_answer(ret_error, dev, STEP_QUERY, err, "asking for XDP programs");
}

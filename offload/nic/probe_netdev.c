/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What one network device reports: its driver and place on a bus, its offload features (ethtool),
 * what XDP can do there (the netdev family, from Linux 6.3 on), and versions (devlink).
 */
#include <dirent.h>
#include <errno.h>
#include <linux/devlink.h>
#include <linux/ethtool.h>
#include <linux/ethtool_netlink.h>
#include <linux/net_tstamp.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "probe_impl.h"

static void note_failure(struct inlay_nic_device *device, const char *what, int error,
			 const struct inlay_genl *genl)
{
	const char *words = genl ? inlay_genl_words(genl) : "";

	if (error == -ENOENT)
		inlay_nic_note(&device->notes, "%s: this kernel cannot be asked", what);
	else if (error == -ENODEV)
		inlay_nic_note(&device->notes, "%s: the device has gone away", what);
	else
		inlay_nic_note(&device->notes, "%s: %s%s%s", what, strerror(-error),
			       *words ? ": " : "", words);
}

/* --- Driver and bus ----------------------------------------------------------------------------
 */

static void ask_driver(struct inlay_nic_device *device)
{
	struct ethtool_drvinfo info = {.cmd = ETHTOOL_GDRVINFO};
	struct ifreq request = {.ifr_data = (char *)&info};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", device->name);
	/* Software devices may have none (EOPNOTSUPP): their kind is their driver. */
	if (fd < 0 || ioctl(fd, SIOCETHTOOL, &request)) {
		if (fd < 0 || (errno != EOPNOTSUPP && errno != ENOTTY))
			note_failure(device, "driver", -errno, NULL);
	} else {
		snprintf(device->driver, sizeof(device->driver), "%s", info.driver);
		/* A name below /sys, not a path. */
		if (!strchr(info.bus_info, '/') && info.bus_info[0] != '.')
			snprintf(device->address, sizeof(device->address), "%.*s",
				 (int)sizeof(info.bus_info), info.bus_info);
		if (strcmp(info.fw_version, "N/A"))
			snprintf(device->firmware, sizeof(device->firmware), "%s", info.fw_version);
	}
	if (fd >= 0)
		close(fd);
}

/* Software devices answer for themselves: only what stamps in hardware counts. */
static void ask_timestamps(struct inlay_nic_device *device)
{
	struct ethtool_ts_info info = {.cmd = ETHTOOL_GET_TS_INFO};
	struct ifreq request = {.ifr_data = (char *)&info};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", device->name);
	if (fd >= 0 && !ioctl(fd, SIOCETHTOOL, &request)) {
		device->has_timestamp = true;
		device->timestamps_all = info.so_timestamping & SOF_TIMESTAMPING_RX_HARDWARE &&
					 info.rx_filters & 1U << HWTSTAMP_FILTER_ALL;
	}
	if (fd >= 0)
		close(fd);
}

static __u16 read_id(const struct inlay_nic_device *device, const char *file)
{
	char path[192], text[16] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/sys/bus/%s/devices/%s/%s", device->bus, device->address,
		 file);
	f = fopen(path, "re");
	if (!f)
		return 0;
	if (!fgets(text, sizeof(text), f))
		text[0] = 0;
	fclose(f);
	return (__u16)strtoul(text, NULL, 16);
}

/*
 * The bus that knows the address which ethtool told. (/sys/class/net shows the network namespace
 * that it was mounted in, which need not be ours: another device may have the same name there.)
 */
static void find_bus(struct inlay_nic_device *device)
{
	DIR *buses = opendir("/sys/bus");
	struct dirent *bus;
	char path[384];

	while (buses && !device->bus[0] && device->address[0] && (bus = readdir(buses))) {
		if (bus->d_name[0] == '.' || strlen(bus->d_name) >= sizeof(device->bus))
			continue;
		snprintf(path, sizeof(path), "/sys/bus/%s/devices/%s", bus->d_name,
			 device->address);
		if (!access(path, F_OK))
			snprintf(device->bus, sizeof(device->bus), "%.31s", bus->d_name);
	}
	if (buses)
		closedir(buses);
	if (!device->bus[0]) {
		device->address[0] = 0;
		return;
	}
	device->vendor = read_id(device, "vendor");
	device->product = read_id(device, "device");
}

/* --- Features ----------------------------------------------------------------------------------
 */

static int put_ethtool_device(struct nl_msg *msg, void *user)
{
	const struct inlay_nic_device *device = user;
	struct nlattr *header = nla_nest_start(msg, ETHTOOL_A_FEATURES_HEADER | NLA_F_NESTED);

	if (!header || nla_put_u32(msg, ETHTOOL_A_HEADER_DEV_INDEX, device->ifindex))
		return -ENOBUFS;
	nla_nest_end(msg, header);
	return 0;
}

static struct inlay_nic_feature *feature_of(struct inlay_nic_device *device, const char *name)
{
	struct inlay_nic_feature *feature = (void *)inlay_nic_feature(device, name);

	if (feature || device->n_features == INLAY_NIC_DEVICE_FEATURES)
		return feature;
	feature = &device->features[device->n_features++];
	snprintf(feature->name, sizeof(feature->name), "%s", name);
	return feature;
}

/* A bit set with a mask says of every bit under the mask what it is; without one it lists those
 * that are set (Documentation/networking/ethtool-netlink). */
static void read_bits(struct inlay_nic_device *device, struct nlattr *set, bool active)
{
	struct nlattr *outer[ETHTOOL_A_BITSET_MAX + 1], *attrs[ETHTOOL_A_BITSET_BIT_MAX + 1], *bit;
	struct inlay_nic_feature *feature;
	int left;

	if (!set || nla_parse_nested(outer, ETHTOOL_A_BITSET_MAX, set, NULL) ||
	    !outer[ETHTOOL_A_BITSET_BITS])
		return;
	nla_for_each_nested(bit, outer[ETHTOOL_A_BITSET_BITS], left)
	{
		if (nla_parse_nested(attrs, ETHTOOL_A_BITSET_BIT_MAX, bit, NULL) ||
		    !attrs[ETHTOOL_A_BITSET_BIT_NAME])
			continue;
		if (!outer[ETHTOOL_A_BITSET_NOMASK] && !attrs[ETHTOOL_A_BITSET_BIT_VALUE])
			continue;
		feature = feature_of(device, nla_get_string(attrs[ETHTOOL_A_BITSET_BIT_NAME]));
		if (!feature)
			continue;
		if (active)
			feature->active = true;
		else
			feature->changeable = true;
	}
}

static void read_features(void *user, const struct nlattr *attrs, int len)
{
	struct nlattr *a[ETHTOOL_A_FEATURES_MAX + 1];
	struct inlay_nic_device *device = user;

	if (nla_parse(a, ETHTOOL_A_FEATURES_MAX, (struct nlattr *)attrs, len, NULL))
		return;
	read_bits(device, a[ETHTOOL_A_FEATURES_HW], false);
	read_bits(device, a[ETHTOOL_A_FEATURES_ACTIVE], true);
	device->has_features = true;
}

/* --- XDP ---------------------------------------------------------------------------------------
 */

static int put_ifindex(struct nl_msg *msg, void *user)
{
	const struct inlay_nic_device *device = user;

	return nla_put_u32(msg, INLAY_NETDEV_IFINDEX, device->ifindex) ? -ENOBUFS : 0;
}

static void read_xdp(void *user, const struct nlattr *attrs, int len)
{
	struct nlattr *a[INLAY_NETDEV_XDP_METADATA + 1];
	struct inlay_nic_device *device = user;

	if (nla_parse(a, INLAY_NETDEV_XDP_METADATA, (struct nlattr *)attrs, len, NULL) ||
	    !a[INLAY_NETDEV_XDP_FEATURES] || nla_len(a[INLAY_NETDEV_XDP_FEATURES]) != 8)
		return;
	device->xdp_features = nla_get_u64(a[INLAY_NETDEV_XDP_FEATURES]);
	device->has_xdp = true;
	if (a[INLAY_NETDEV_XDP_METADATA] && nla_len(a[INLAY_NETDEV_XDP_METADATA]) == 8)
		device->xdp_metadata = nla_get_u64(a[INLAY_NETDEV_XDP_METADATA]);
}

/* --- devlink -----------------------------------------------------------------------------------
 */

static int put_bus_address(struct nl_msg *msg, void *user)
{
	const struct inlay_nic_device *device = user;

	return nla_put_string(msg, DEVLINK_ATTR_BUS_NAME, device->bus) ||
			       nla_put_string(msg, DEVLINK_ATTR_DEV_NAME, device->address)
		       ? -ENOBUFS
		       : 0;
}

static void read_version(struct inlay_nic_device *device, struct nlattr *nest)
{
	struct nlattr *a[DEVLINK_ATTR_MAX + 1];
	struct inlay_nic_version *version;

	if (device->n_versions == INLAY_NIC_DEVICE_VERSIONS ||
	    nla_parse_nested(a, DEVLINK_ATTR_MAX, nest, NULL) ||
	    !a[DEVLINK_ATTR_INFO_VERSION_NAME] || !a[DEVLINK_ATTR_INFO_VERSION_VALUE])
		return;
	version = &device->versions[device->n_versions++];
	snprintf(version->name, sizeof(version->name), "%s",
		 nla_get_string(a[DEVLINK_ATTR_INFO_VERSION_NAME]));
	snprintf(version->value, sizeof(version->value), "%s",
		 nla_get_string(a[DEVLINK_ATTR_INFO_VERSION_VALUE]));
}

static void read_devlink(void *user, const struct nlattr *attrs, int len)
{
	struct inlay_nic_device *device = user;
	const struct nlattr *a;
	int left;

	nla_for_each_attr(a, attrs, len, left)
	{
		switch (nla_type(a)) {
		case DEVLINK_ATTR_INFO_VERSION_FIXED:
		case DEVLINK_ATTR_INFO_VERSION_RUNNING:
		case DEVLINK_ATTR_INFO_VERSION_STORED:
			read_version(device, (struct nlattr *)a);
		}
	}
}

void inlay_nic_probe_netdev(struct inlay_nic_device *device, struct inlay_genl *genl)
{
	int ret;

	ask_driver(device);
	ask_timestamps(device);
	find_bus(device);
	if (!genl)
		return;
	ret = inlay_genl_ask(genl, ETHTOOL_GENL_NAME, ETHTOOL_MSG_FEATURES_GET, put_ethtool_device,
			     read_features, device);
	if (ret)
		note_failure(device, "features", ret, genl);
	ret = inlay_genl_ask(genl, INLAY_NETDEV_FAMILY, INLAY_NETDEV_DEV_GET, put_ifindex, read_xdp,
			     device);
	if (ret)
		note_failure(device, "xdp-features", ret, genl);
	if (!device->bus[0])
		return;
	ret = inlay_genl_ask(genl, DEVLINK_GENL_NAME, DEVLINK_CMD_INFO_GET, put_bus_address,
			     read_devlink, device);
	/* Most buses' devices have no devlink: that says nothing about them. */
	if (ret && ret != -ENODEV && ret != -EOPNOTSUPP && ret != -ENOENT)
		note_failure(device, "devlink", ret, genl);
}

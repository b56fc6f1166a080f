/* SPDX-License-Identifier: BSD-2-Clause */
/* The list of devices, and the parts of the probe called for each. */
#include <errno.h>
#include <net/if.h>
#include <netlink/netlink.h>
#include <netlink/route/link.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probe_impl.h"

void inlay_nic_note(struct inlay_nic_notes *notes, const char *format, ...)
{
	va_list args;

	if (notes->n == INLAY_NIC_NOTES_MAX)
		return;
	va_start(args, format);
	vsnprintf(notes->text[notes->n++], sizeof(notes->text[0]), format, args);
	va_end(args);
}

const struct inlay_nic_feature *inlay_nic_feature(const struct inlay_nic_device *device,
						  const char *name)
{
	for (size_t i = 0; i < device->n_features; i++)
		if (!strcmp(device->features[i].name, name))
			return &device->features[i];
	return NULL;
}

/* --- The list ----------------------------------------------------------------------------------
 */

struct listing {
	struct inlay_nic_probe *probe;
	const char *name;
};

static void add_device(struct nl_object *object, void *user)
{
	struct rtnl_link *link = (struct rtnl_link *)object;
	const char *name = rtnl_link_get_name(link), *kind = rtnl_link_get_type(link);
	struct listing *listing = user;
	struct inlay_nic_probe *probe = listing->probe;
	struct inlay_nic_device *device;

	if (!name || probe->n_devices == INLAY_NIC_DEVICES_MAX ||
	    (listing->name && strcmp(name, listing->name)))
		return;
	device = &probe->devices[probe->n_devices++];
	snprintf(device->name, sizeof(device->name), "%s", name);
	device->ifindex = (__u32)rtnl_link_get_ifindex(link);
	device->mtu = rtnl_link_get_mtu(link);
	device->up = rtnl_link_get_flags(link) & IFF_UP;
	/* What has no driver behind it names its kind: "veth". */
	if (kind)
		snprintf(device->driver, sizeof(device->driver), "%s", kind);
}

static int by_ifindex(const void *a, const void *b)
{
	const struct inlay_nic_device *x = a, *y = b;

	return x->ifindex < y->ifindex ? -1 : x->ifindex > y->ifindex;
}

static int list_devices(struct inlay_nic_probe *probe, const char *name)
{
	struct nl_sock *sock = nl_socket_alloc();
	struct nl_cache *links = NULL;
	struct listing listing = {probe, name};
	int ret = -ENOMEM;

	probe->devices = calloc(INLAY_NIC_DEVICES_MAX, sizeof(*probe->devices));
	if (!sock || !probe->devices)
		goto out;
	ret = -EIO;
	if (nl_connect(sock, NETLINK_ROUTE) || rtnl_link_alloc_cache(sock, AF_UNSPEC, &links))
		goto out;
	nl_cache_foreach(links, add_device, &listing);
	if (probe->n_devices == INLAY_NIC_DEVICES_MAX && !name)
		inlay_nic_note(&probe->notes, "more than %d devices: the others are not shown",
			       INLAY_NIC_DEVICES_MAX);
	qsort(probe->devices, probe->n_devices, sizeof(*probe->devices), by_ifindex);
	ret = name && !probe->n_devices ? -ENODEV : 0;
out:
	if (links)
		nl_cache_free(links);
	nl_socket_free(sock);
	return ret;
}

/* A device that was asked for alone is shown with its own RDMA devices. */
static void keep_rdma_of(struct inlay_nic_probe *probe, const char *name)
{
	size_t kept = 0;

	for (size_t i = 0; i < probe->n_rdma; i++)
		if (!strcmp(probe->rdma[i].netdev, name))
			probe->rdma[kept++] = probe->rdma[i];
	probe->n_rdma = kept;
}

void inlay_nic_make_printable(char *text)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if ((c < ' ' && c != '\n' && c != '\t') || c >= 0x7f)
			*text = '?';
	}
}

static void make_notes_printable(struct inlay_nic_notes *notes)
{
	for (size_t i = 0; i < notes->n; i++)
		inlay_nic_make_printable(notes->text[i]);
}

/* When everybody has been asked, by the names that they have. */
static void make_all_printable(struct inlay_nic_probe *probe)
{
	for (size_t i = 0; i < probe->n_devices; i++) {
		struct inlay_nic_device *device = &probe->devices[i];

		inlay_nic_make_printable(device->name);
		inlay_nic_make_printable(device->driver);
		inlay_nic_make_printable(device->firmware);
		inlay_nic_make_printable(device->address);
		for (size_t j = 0; j < device->n_features; j++)
			inlay_nic_make_printable(device->features[j].name);
		for (size_t j = 0; j < device->n_versions; j++) {
			inlay_nic_make_printable(device->versions[j].name);
			inlay_nic_make_printable(device->versions[j].value);
		}
		make_notes_printable(&device->notes);
	}
	for (size_t i = 0; i < probe->n_rdma; i++) {
		inlay_nic_make_printable(probe->rdma[i].name);
		inlay_nic_make_printable(probe->rdma[i].netdev);
		inlay_nic_make_printable(probe->rdma[i].firmware);
	}
	make_notes_printable(&probe->notes);
}

int inlay_nic_probe_new(const char *name, struct inlay_nic_probe **ret_probe)
{
	struct inlay_nic_probe *probe = calloc(1, sizeof(*probe));
	struct inlay_genl *genl = NULL;
	int ret;

	if (!probe)
		return -ENOMEM;
	ret = list_devices(probe, name);
	if (ret)
		goto fail;
	ret = inlay_genl_new(&genl);
	if (ret)
		inlay_nic_note(&probe->notes, "generic netlink: %s", strerror(-ret));
	for (size_t i = 0; i < probe->n_devices; i++)
		inlay_nic_probe_netdev(&probe->devices[i], genl);
	inlay_genl_free(genl);
	ret = inlay_nic_probe_rdma(probe);
	if (ret)
		goto fail;
	if (name)
		keep_rdma_of(probe, name);
	make_all_printable(probe);
	inlay_nic_probe_kernel(&probe->kernel);
	*ret_probe = probe;
	return 0;
fail:
	inlay_nic_probe_free(probe);
	return ret;
}

void inlay_nic_probe_free(struct inlay_nic_probe *probe)
{
	if (!probe)
		return;
	free(probe->devices);
	free(probe->rdma);
	free(probe);
}

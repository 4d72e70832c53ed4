/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What altering costs a guest's start, in microseconds, one JSON object a repetition:
 *
 *     alter REPETITIONS BURST_MS SHIM DIRECTORY
 *
 *   "alter"   a command line of 125 words is read, altered ten times, and is words again
 *   "direct"  a program that ends at once is started and waited for
 *   "shim"    the same through the shim, with that plan and those words; it leaves its record in
 *             DIRECTORY
 *
 * each the median of a burst.
 */

#include "times.h"

#include "argv/alter.h"

#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOTHING "/bin/true"

/* A guest of libvirt's with two disks, two NICs, a TPM and the usual controllers: 125 words. */
static const char *const words[] = {
    "/usr/bin/qemu-system-x86_64", "-name", "guest=bench,debug-threads=on", "-S", "-object",
    "{\"qom-type\":\"secret\",\"id\":\"masterKey0\",\"format\":\"raw\",\"file\":\"DIRECTORY/"
    "master-key.aes\"}",
    "-blockdev",
    "{\"driver\":\"file\",\"filename\":\"/usr/share/OVMF/OVMF_CODE_4M.fd\",\"node-name\":"
    "\"libvirt-pflash0-storage\",\"auto-read-only\":true,\"discard\":\"unmap\"}",
    "-blockdev",
    "{\"node-name\":\"libvirt-pflash0-format\",\"read-only\":true,\"driver\":\"raw\",\"file\":"
    "\"libvirt-pflash0-storage\"}",
    "-machine",
    "pc-q35-7.2,usb=off,vmport=off,dump-guest-core=off,pflash0=libvirt-pflash0-format,"
    "memory-backend=pc.ram",
    "-accel", "kvm", "-cpu", "host,migratable=on", "-m", "4096", "-object",
    "{\"qom-type\":\"memory-backend-ram\",\"id\":\"pc.ram\",\"size\":4294967296}", "-overcommit",
    "mem-lock=off", "-smp", "4,sockets=4,cores=1,threads=1", "-uuid",
    "6089f943-6832-5054-b8fd-130f659c07c1", "-no-user-config", "-nodefaults", "-chardev",
    "socket,id=charmonitor,fd=30,server=on,wait=off", "-mon",
    "chardev=charmonitor,id=monitor,mode=control", "-rtc", "base=utc,driftfix=slew", "-global",
    "kvm-pit.lost_tick_policy=delay", "-no-shutdown", "-global", "ICH9-LPC.disable_s3=1",
    "-global", "ICH9-LPC.disable_s4=1", "-boot", "strict=on",
#define ROOT_PORT(N, ADDR)                                                                         \
    "-device", "{\"driver\":\"pcie-root-port\",\"port\":" #N ",\"chassis\":" #N                    \
               ",\"id\":\"pci." #N "\",\"bus\":\"pcie.0\",\"addr\":\"" ADDR "\"}"
    ROOT_PORT(1, "0x2"), ROOT_PORT(2, "0x2.0x1"), ROOT_PORT(3, "0x2.0x2"),
    ROOT_PORT(4, "0x2.0x3"), ROOT_PORT(5, "0x2.0x4"), ROOT_PORT(6, "0x2.0x5"),
    ROOT_PORT(7, "0x2.0x6"), ROOT_PORT(8, "0x2.0x7"), ROOT_PORT(9, "0x3"),
    "-device", "{\"driver\":\"qemu-xhci\",\"p2\":15,\"p3\":15,\"id\":\"usb\",\"bus\":\"pci.2\","
    "\"addr\":\"0x0\"}",
    "-device", "{\"driver\":\"virtio-serial-pci\",\"id\":\"virtio-serial0\",\"bus\":\"pci.3\","
    "\"addr\":\"0x0\"}",
#define DISK(N, SLOT)                                                                              \
    "-blockdev", "{\"driver\":\"file\",\"filename\":\"/var/lib/libvirt/images/disk" #N             \
                 ".qcow2\",\"node-name\":\"libvirt-" #N "-storage\",\"auto-read-only\":true,"      \
                 "\"discard\":\"unmap\"}",                                                         \
    "-blockdev", "{\"node-name\":\"libvirt-" #N "-format\",\"read-only\":false,\"driver\":"        \
                 "\"qcow2\",\"file\":\"libvirt-" #N "-storage\",\"backing\":null}",                \
    "-device", "{\"driver\":\"virtio-blk-pci\",\"bus\":\"pci." #SLOT "\",\"addr\":\"0x0\","        \
               "\"drive\":\"libvirt-" #N "-format\",\"id\":\"virtio-disk" #N "\"}"
    DISK(1, 4), DISK(2, 5),
#define NIC(N, SLOT)                                                                               \
    "-netdev", "{\"type\":\"tap\",\"fd\":\"3" #N "\",\"vhost\":true,\"vhostfd\":\"4" #N            \
               "\",\"id\":\"hostnet" #N "\"}",                                                     \
    "-device", "{\"driver\":\"virtio-net-pci\",\"netdev\":\"hostnet" #N "\",\"id\":\"net" #N       \
               "\",\"mac\":\"52:54:00:11:22:3" #N "\",\"bus\":\"pci." #SLOT                        \
               "\",\"addr\":\"0x0\"}"
    NIC(0, 1), NIC(1, 6),
    "-chardev", "pty,id=charserial0", "-device",
    "{\"driver\":\"isa-serial\",\"chardev\":\"charserial0\",\"id\":\"serial0\",\"index\":0}",
    "-chardev", "socket,id=charchannel0,fd=31,server=on,wait=off", "-device",
    "{\"driver\":\"virtserialport\",\"bus\":\"virtio-serial0.0\",\"nr\":1,\"chardev\":"
    "\"charchannel0\",\"id\":\"channel0\",\"name\":\"org.qemu.guest_agent.0\"}",
    "-chardev", "socket,id=chrtpm,path=/run/libvirt/qemu/swtpm/1-bench-swtpm.sock", "-tpmdev",
    "emulator,id=tpm-tpm0,chardev=chrtpm", "-device",
    "{\"driver\":\"tpm-crb\",\"tpmdev\":\"tpm-tpm0\",\"id\":\"tpm0\"}", "-device",
    "{\"driver\":\"usb-tablet\",\"id\":\"input0\",\"bus\":\"usb.0\",\"port\":\"1\"}", "-audiodev",
    "{\"id\":\"audio1\",\"driver\":\"none\"}", "-vnc", "127.0.0.1:0,audiodev=audio1", "-device",
    "{\"driver\":\"virtio-vga\",\"id\":\"video0\",\"max_outputs\":1,\"bus\":\"pcie.0\","
    "\"addr\":\"0x1\"}",
    "-global", "ICH9-LPC.noreboot=off", "-watchdog-action", "reset", "-device",
    "{\"driver\":\"virtio-balloon-pci\",\"id\":\"balloon0\",\"bus\":\"pci.7\",\"addr\":\"0x0\"}",
    "-object",
    "{\"qom-type\":\"rng-random\",\"id\":\"objrng0\",\"filename\":\"/dev/urandom\"}", "-device",
    "{\"driver\":\"virtio-rng-pci\",\"rng\":\"objrng0\",\"id\":\"rng0\",\"bus\":\"pci.8\","
    "\"addr\":\"0x0\"}",
    "-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
    "-chardev", "socket,id=virtpass-qmp,path=/run/x/virtpass-u,server=on,wait=off", "-mon",
    "chardev=virtpass-qmp,mode=control", "-msg", "timestamp=on",
};

/* Ten alterations, such as people want them. */
static const char plan_text[] =
    "{\"version\":1,\"emulator\":\"" NOTHING "\",\"types\":[[\"device\",\"mrg_rxbuf\",\"bool\"],"
    "[\"device\",\"disable-legacy\",\"string\"],[\"device\",\"max-bytes\",\"size\"]],\"steps\":["
#define ALTER(N, OPTION, ACTIONS)                                                                  \
    "{\"alter\":\"" OPTION "\",\"number\":" #N ",\"actions\":[" ACTIONS "]}"
#define KEY(KEY, REGEX) "{\"do\":\"match\",\"key\":\"" KEY "\",\"regex\":\"" REGEX "\"},"
#define MATCH(REGEX) "{\"do\":\"match\",\"regex\":\"" REGEX "\"},"
#define MODIFY(TEXT) "{\"do\":\"modify\",\"text\":\"" TEXT "\"}"
    ALTER(1, "device", KEY("id", "^net0$") MODIFY("disable-legacy=on,mrg_rxbuf=off")) ","
    ALTER(2, "device", MATCH("^virtio-net-pci,.*id=net1") MODIFY("mrg_rxbuf=off")) ","
    ALTER(3, "cpu", "{\"do\":\"replace\",\"regex\":\"^host\",\"text\":\"max\"}") ","
    ALTER(4, "machine", MODIFY("vmport=on")) ","
    ALTER(5, "blockdev", KEY("node-name", "libvirt-.-storage") MODIFY("cache.direct=on")) ","
    ALTER(6, "device", KEY("id", "rng0") MODIFY("max-bytes=1M")) ","
    ALTER(7, "smp", MODIFY("maxcpus=8")) ","
    ALTER(8, "device", KEY("id", "balloon0") "{\"do\":\"remove\"}") ","
    ALTER(9, "no-shutdown", "{\"do\":\"rename\",\"text\":\"no-reboot\"}") ","
    ALTER(10, "name", "{\"do\":\"extra\",\"words\":[\"-device\",\"{\\\"driver\\\":\\\"lsi\\\"}\"]}")
    "]}";

/* The words with a directory for the record. */
static char **
make_words(const char *directory)
{
    char **made = g_new0(char *, G_N_ELEMENTS(words) + 1);

    for (gsize i = 0; i < G_N_ELEMENTS(words); i++) {
        g_auto(GStrv) parts = g_strsplit(words[i], "DIRECTORY", -1);

        made[i] = g_strjoinv(directory, parts);
    }
    return made;
}

static void
fail(const char *what, const char *why)
{
    fprintf(stderr, "alter: %s: %s\n", what, why);
    exit(EXIT_FAILURE);
}

typedef struct Bench {
    const VpPlan *plan;
    const char *shim;
    char **argv;
    char **environment;
} Bench;

static void
alter_once(gconstpointer data)
{
    const Bench *bench = data;
    g_autoptr(GError) error = NULL;
    g_autoptr(VpCmdline) cmdline = vp_cmdline_parse((const char *const *)bench->argv, &error);
    g_auto(VpApplied) applied = { 0 };
    g_auto(GStrv) altered = NULL;

    if (!cmdline || !vp_plan_apply(bench->plan, cmdline, "/", &applied, &error))
        fail("the plan", error->message);
    altered = vp_cmdline_words(cmdline);
}

static void
start(const Bench *bench, const char *program)
{
    pid_t pid = 0;
    int status = 0;
    int result = posix_spawn(&pid, program, NULL, NULL, bench->argv, bench->environment);

    if (result != 0)
        fail(program, g_strerror(result));
    if (waitpid(pid, &status, 0) < 0 || status != 0)
        fail(program, "it failed");
}

static void
start_directly(gconstpointer data)
{
    start(data, NOTHING);
}

static void
start_shim(gconstpointer data)
{
    const Bench *bench = data;

    start(bench, bench->shim);
}

static void
repetition(const Bench *bench, int number, int burst_ms)
{
    double alter = vp_bench_burst(alter_once, bench, burst_ms);
    double direct = vp_bench_burst(start_directly, bench, burst_ms);
    double shim = vp_bench_burst(start_shim, bench, burst_ms);

    printf("{\"repetition\":%d,\"alter\":%.1f,\"direct\":%.1f,\"shim\":%.1f}\n", number, alter,
           direct, shim);
}

int
main(int argc, char **argv)
{
    g_autofree char *variable = g_strconcat(VP_PLAN_VARIABLE "=", plan_text, NULL);
    char *environment[] = { variable, NULL };
    g_autoptr(GError) error = NULL;
    g_autoptr(VpPlan) plan = vp_plan_from_json(plan_text, &error);
    g_auto(GStrv) made = NULL;
    Bench bench = { .plan = plan, .environment = environment };

    if (argc != 5)
        fail("usage", "alter REPETITIONS BURST_MS SHIM DIRECTORY");
    if (!plan)
        fail("the plan", error->message);
    made = make_words(argv[4]);
    bench.shim = argv[3];
    bench.argv = made;
    for (int i = 0; i < atoi(argv[1]); i++)
        repetition(&bench, i, atoi(argv[2]));
    return EXIT_SUCCESS;
}

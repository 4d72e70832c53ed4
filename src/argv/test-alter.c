/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Plans carried out: every action in every syntax, and every way in which one can fail. */

#include "argv/test-plans.h"

#include "base/limits.h"

#define NET0 \
    "{'driver':'virtio-net-pci','netdev':'hostnet0','id':'net0','bus':'pci.0','addr':'0x3'}"
#define NET1 \
    "{'driver':'virtio-net-pci','netdev':'hostnet1','id':'net1','bus':'pci.0','addr':'0x4'}"
#define VGA "{'driver':'VGA','id':'video0','vgamem_mb':16,'bus':'pci.0','addr':'0x2'}"
#define SESSION "-chardev socket,id=virtpass-qmp,path=/d/virtpass-u,server=on,wait=off " \
    "-mon chardev=virtpass-qmp,mode=control"

#define MONITOR "-chardev socket,id=charmonitor,fd=9,server=on,wait=off " \
    "-mon chardev=charmonitor,id=monitor,mode=control"

#define ALTER(OPTION, ACTIONS) "{'alter':'" OPTION "','number':1,'actions':[" ACTIONS "]}"
#define MATCH(REGEX) "{'do':'match','regex':'" REGEX "'}"
#define KEY(KEY, REGEX) "{'do':'match','regex':'" REGEX "','key':'" KEY "'}"
#define MODIFY(TEXT) "{'do':'modify','text':'" TEXT "'}"
#define REMOVE_KEY(KEY) "{'do':'remove-key','key':'" KEY "'}"
#define REMOVE "{'do':'remove'}"
#define RENAME(NAME) "{'do':'rename','text':'" NAME "'}"
#define REPLACE(REGEX, TEXT) "{'do':'replace','regex':'" REGEX "','text':'" TEXT "'}"
#define EXTRA(WORDS) "{'do':'extra','words':[" WORDS "]}"
#define BEFORE(WORDS) "{'do':'extra','words':[" WORDS "],'before':true}"

typedef struct Case {
    const char *name;
    const char *steps;
    const char *words;
    const char *expected; /* the words, or with ! in front the whole error */
} Case;

static const Case cases[] = {
    /* selecting */
    { "all", ALTER("device", MODIFY("rombar=0")), "-device " NET0 " -device e1000,id=n",
      "-device {'driver':'virtio-net-pci','netdev':'hostnet0','id':'net0','bus':'pci.0',"
      "'addr':'0x3','rombar':0} -device e1000,id=n,rombar=0" },
    { "dash in the name", ALTER("-no-shutdown", REMOVE), "-S -no-shutdown", "-S" },
    { "two dashes on the command line", ALTER("m", MODIFY("size=64")), "--m 32", "--m 64" },
    { "value as written", ALTER("device", MATCH("^..driver...VGA") "," REMOVE),
      "-device " VGA " -device VGA", "-device VGA" },
    { "canonical value", ALTER("device", MATCH("^VGA,") "," REMOVE),
      "-device " VGA " -device " NET0 " -device VGA,id=video0", "-device " NET0 },
    { "key", ALTER("device", KEY("id", "^net1$") "," REMOVE_KEY("addr")),
      "-device " NET0 " -device " NET1, "-device " NET0 " -device {'driver':'virtio-net-pci',"
      "'netdev':'hostnet1','id':'net1','bus':'pci.0'}" },
    { "key that few have", ALTER("device", KEY("vgamem_mb", "") "," REMOVE),
      "-device " NET0 " -device " VGA, "-device " NET0 },
    { "several matches",
      ALTER("device", KEY("netdev", "host") "," MATCH("net1") "," REMOVE),
      "-device " NET0 " -device " NET1 " -device e1000,id=net1", "-device " NET0
      " -device e1000,id=net1" },
    { "match behind the action", ALTER("device", REMOVE "," KEY("id", "net0")),
      "-device " NET0 " -device " NET1, "-device " NET1 },
    { "first", "{'alter':'device','number':1,'occurs':'first','actions':[" REMOVE "]}",
      "-device a -device b -device c", "-device b -device c" },
    { "last", "{'alter':'device','number':1,'occurs':'last','actions':[" REMOVE "]}",
      "-device a -device b -device c", "-device a -device b" },
    { "the second of those that match",
      "{'alter':'device','number':1,'occurs':2,'actions':[" MATCH("x") "," REMOVE "]}",
      "-device x1 -device b -device x2 -device x3", "-device x1 -device b -device x3" },
    { "not the session", ALTER("chardev", KEY("id", "^[cv]") "," KEY("id", "[cp]$") "," REMOVE) ","
      ALTER("mon", KEY("chardev", "^[cv]") "," KEY("chardev", "[cp]$") "," REMOVE),
      SESSION " -chardev null,id=c -mon chardev=c " MONITOR, SESSION " " MONITOR },
    { "words beside libvirt's monitor", ALTER("mon", EXTRA("'x'")), MONITOR, MONITOR " x" },
    { "what the one before left",
      ALTER("device", MATCH("^VGA$") "," MODIFY("id=v")) ","
      ALTER("device", KEY("id", "v") "," MODIFY("xres=5")), "-device VGA",
      "-device VGA,id=v,xres=5" },
    { "value of an option without one", ALTER("no-reboot", MATCH("^$") "," REMOVE),
      "-no-reboot", "" },
    { "words that are no options stay", ALTER("device", REMOVE), "disk -newer x -device a",
      "disk -newer x" },

    /* modify */
    { "modify several keys",
      ALTER("device", MODIFY("disable-legacy=on,mrg_rxbuf=off,rombar=0x10")), "-device " NET0,
      "-device {'driver':'virtio-net-pci','netdev':'hostnet0','id':'net0','bus':'pci.0',"
      "'addr':'0x3','disable-legacy':'on','mrg_rxbuf':false,'rombar':16}" },
    { "modify with a comma", ALTER("name", MODIFY("guest=a,,b,process=x=y")), "-name guest=g",
      "-name guest=a,,b,process=x=y" },
    { "modify with a type", "{'alter':'device','number':1,'actions':[{'do':'modify',"
      "'text':'x-new=5','type':'string'}]}", "-device {'driver':'VGA'}",
      "-device {'driver':'VGA','x-new':'5'}" },
    { "modify keeps the type", ALTER("device", MODIFY("vgamem_mb=32")), "-device " VGA,
      "-device {'driver':'VGA','id':'video0','vgamem_mb':32,'bus':'pci.0','addr':'0x2'}" },
    { "modify what is nested", ALTER("blockdev", MODIFY("file.path=/b")),
      "-blockdev {'driver':'raw','file':{'driver':'file','path':'/a'},'node-name':'n'}",
      "-blockdev {'driver':'raw','file':{'driver':'file','path':'/b'},'node-name':'n'}" },
    { "modify a CPU", ALTER("cpu", MODIFY("vmx=off")), "-cpu host,migratable=on",
      "-cpu host,migratable=on,vmx=off" },
    { "flags of a CPU", ALTER("cpu", MODIFY("+vmx,-svm,x2apic=on")), "-cpu host,svm=on",
      "-cpu host,svm=off,vmx=on,x2apic=on" },
    { "flags that have a sign already", ALTER("cpu", MODIFY("-vmx,svm=on,+la57")),
      "-cpu host,+vmx,-svm,la57=off,-la57", "-cpu host,-vmx,+svm,+la57" },
    { "flags with underscores", ALTER("cpu", MODIFY("-lahf_lm")), "-cpu host,lahf-lm=on",
      "-cpu host,lahf-lm=off" },
    { "signs are a CPU's only", ALTER("name", MODIFY("+process=x")), "-name guest=g",
      "-name guest=g,+process=x" },
    { "modify the implied key", ALTER("machine", MODIFY("type=q35")), "-machine pc,usb=off",
      "-machine q35,usb=off" },

    /* the other actions */
    { "a place that is taken away", ALTER("device", KEY("id", "net0") "," REMOVE_KEY("addr") ","
      REMOVE_KEY("bus")), "-machine pc -device " NET0 " -device edu,bus=pci.0,addr=0x1e",
      "-machine pc -device {'driver':'virtio-net-pci','netdev':'hostnet0','id':'net0',"
      "'bus':'pci.0','addr':'0x1d'} -device edu,bus=pci.0,addr=0x1e" },
    { "a place that is taken away on a port", ALTER("device", REMOVE_KEY("port")),
      "-machine pc -device qemu-xhci,id=usb -device usb-kbd,bus=usb.0,port=1",
      "-machine pc -device qemu-xhci,id=usb -device usb-kbd,bus=usb.0,port=4" },
    { "a place that is given anew", ALTER("device", REMOVE_KEY("addr") "," MODIFY("addr=7")),
      "-machine pc -device edu,bus=pci.0,addr=3", "-machine pc -device edu,bus=pci.0,addr=7" },
    { "a place on a machine that is not known", ALTER("device", REMOVE_KEY("addr")),
      "-machine isapc -device edu,addr=3", "-machine isapc -device edu" },
    { "remove a key that not all have", ALTER("device", REMOVE_KEY("addr")),
      "-device a,addr=1 -device b", "-device a -device b" },
    { "rename", ALTER("display", RENAME("-vnc")), "-display none", "-vnc none" },
    { "rename without value", ALTER("no-shutdown", RENAME("no-reboot")), "-no-shutdown",
      "-no-reboot" },
    { "modify under the new name", ALTER("drive", RENAME("blockdev") "," MODIFY("a.b=1")),
      "-drive driver=null-co", "-blockdev driver=null-co,a.b=1" },
    { "replace", ALTER("cpu", REPLACE("^qemu64", "max")), "-cpu qemu64,x2apic=on",
      "-cpu max,x2apic=on" },
    { "replace with references", ALTER("smp", REPLACE("(\\\\d+),sockets=(\\\\d+)",
                                                      "\\\\2,sockets=\\\\g<1>")),
      "-smp 2,sockets=4", "-smp 4,sockets=2" },
    { "replace everywhere", ALTER("append", REPLACE("o", "0")), "-append foo", "-append f00" },
    { "replace in JSON", ALTER("device", REPLACE("pci[.]0", "pcie.0")), "-device " VGA,
      "-device {'driver':'VGA','id':'video0','vgamem_mb':16,'bus':'pcie.0','addr':'0x2'}" },
    { "replace sees only what is written", ALTER("device", REPLACE("^VGA,", "x")),
      "-device VGA,a=b -device " VGA, "-device xa=b -device " VGA },
    { "extra", ALTER("S", EXTRA("'-a','b'") "," BEFORE("'c'") "," EXTRA("'-m','5'") ","
                     BEFORE("'d'")), "-no-reboot -S -no-shutdown",
      "-no-reboot c d -S -a b -m 5 -no-shutdown" },
    { "extra in the place of an option", ALTER("no-reboot", BEFORE("'c'") "," REMOVE ","
                                               EXTRA("'d'") "," EXTRA("'e'")),
      "-S -no-reboot -no-shutdown", "-S c d e -no-shutdown" },
    { "extra for each", ALTER("device", EXTRA("'x'")), "-device a -device b",
      "-device a x -device b x" },
    { "devices without address come last",
      ALTER("S", EXTRA("'-device','{`driver`:`lsi`}','-m','5','-device','scsi,addr=1'")),
      "-S -device " NET0, "-S -m 5 -device " NET0 " -device {'driver':'lsi'} "
      "-device scsi,addr=1" },
    { "a device with address stays", ALTER("S", BEFORE("'-device','rp,id=rp1,addr=7'")),
      "-S -device a,bus=rp1", "-device rp,id=rp1,addr=7 -S -device a,bus=rp1" },
    { "words come before alters",
      ALTER("device", KEY("id", "^y$") "," MODIFY("bus=z")) ","
      "{'words':['-device','x,id=y']}", "-S", "-S -device x,id=y,bus=z" },

    /* groups */
    { "group", "{'group':'chardev','id':'c','values':[['backend','null']]}", "-S",
      "-S -readconfig /conf" },

    /* nothing found */
    { "no such option", ALTER("netdev", REMOVE), "-netdevs a -net none -nodefaults -S",
      "!alter 1 (-netdev): there is no -netdev; there is -net" },
    { "no option like it", ALTER("vnc", REMOVE), "-S", "!alter 1 (-vnc): there is no -vnc" },
    { "only the session", ALTER("mon", KEY("chardev", "^v") "," REMOVE), SESSION,
      "!alter 1 (-mon): there is no -mon with chardev matching '^v'" },
    { "no match", ALTER("device", KEY("id", "^net2$") "," REMOVE),
      "-device " VGA " -device " NET0 " -device c -device d",
      "!alter 1 (-device): there is no -device with id matching '^net2$'; the nearest are "
      "'-device virtio-net-pci,netdev=hostnet0,id=net0,bus=pci.0,addr=0x3', "
      "'-device VGA,id=video0,vgamem_mb=16,bus=pci.0,addr=0x2', '-device c' of 4" },
    { "no match for one", ALTER("cpu", MATCH("a") "," MATCH("xyz") "," REMOVE), "-cpu max",
      "!alter 1 (-cpu): there is no -cpu with a value matching 'a' and a value matching 'xyz'; "
      "there is only '-cpu max'" },
    { "not so many", "{'alter':'device','number':7,'line':12,'occurs':3,'actions':["
      MATCH("a") "," REMOVE "]}", "-device a1 -device a2",
      "!alter 7 (-device, line 12): there is no -device number 3 with a value matching 'a'; the "
      "nearest are '-device a1', '-device a2'" },
    { "long candidates are cut", ALTER("append", MATCH("z") "," REMOVE),
      "-append 0123456789012345678901234567890123456789012345678901234567890123456789"
      "012345678\xc3\xa4" "bc",
      "!alter 1 (-append): there is no -append with a value matching 'z'; there is only '-append "
      "0123456789012345678901234567890123456789012345678901234567890123456789"
      "012345678...'" },
    { "key to remove", ALTER("device", REMOVE_KEY("addr")), "-device a",
      "!alter 1 (-device), remove: the option it applies to has no 'addr'" },
    { "key to remove of several", ALTER("device", REMOVE_KEY("addr")), "-device a -device b",
      "!alter 1 (-device), remove: none of its options has 'addr'" },
    { "text to replace", ALTER("cpu", REPLACE("^host", "max")), "-cpu qemu64",
      "!alter 1 (-cpu), replace: the option it applies to has no match for '^host'" },
    { "text to replace of several", ALTER("device", REPLACE("x", "y")), "-device a -device b",
      "!alter 1 (-device), replace: none of its options has a match for 'x'" },

    /* what cannot be done */
    { "value of the wrong type", ALTER("device", MODIFY("mrg_rxbuf=7")), "-device " NET0,
      "!alter 1 (-device), modify: " },
    { "replace breaks JSON", ALTER("device", REPLACE("}", "")), "-device " VGA,
      "!alter 1 (-device), replace: " },
    { "replace makes a line end", ALTER("append", REPLACE("a", "\\\\n")), "-append a",
      "!alter 1 (-append), replace: the value gets control characters" },
    { "JSON where it is not understood", ALTER("device", RENAME("drive")), "-device " VGA,
      "!alter 1 (-device), rename: the value is JSON, which -drive does not take" },
    { "clash of ids", ALTER("device", MATCH("^b") "," MODIFY("id=net0")),
      "-device " NET0 " -netdev user,id=net0 -device b",
      "!'-device b,id=net0' and '-device virtio-net-pci,netdev=hostnet0,id=net0,bus=pci.0,"
      "addr=0x3' have the same id 'net0'" },
    { "clash with an added device",
      ALTER("S", EXTRA("'-device','lsi,addr=04.0'")), "-S -device " NET1,
      "!'-device lsi,addr=04.0' and '-device virtio-net-pci,netdev=hostnet1,id=net1,bus=pci.0,"
      "addr=0x4' both want address 04.0 of the root bus" },
    { "clash with a group", "{'group':'chardev','id':'c','line':9,'values':[['backend','null']]}",
      "-chardev pty,id=c",
      "!<qemu:chardev> in line 9 and '-chardev pty,id=c' have the same id 'c'" },
    { "clash of USB ports", ALTER("device", MATCH("kbd") "," MODIFY("port=1")),
      "-device usb-tablet,bus=usb.0,port=1 -device usb-kbd,bus=usb.0",
      "!'-device usb-kbd,bus=usb.0,port=1' and '-device usb-tablet,bus=usb.0,port=1' both want "
      "port 1 of usb.0" },
    { "no clash on other buses or functions",
      ALTER("S", EXTRA("'-device','lsi,addr=4,bus=pci.1','-device','lsi,addr=4.1','-device',"
                       "'usb-kbd,addr=x'")), "-S -device " NET1,
      "-S -device lsi,addr=4,bus=pci.1 -device lsi,addr=4.1 -device usb-kbd,addr=x -device " NET1 },
    { "a clash that was there is QEMU's business", ALTER("no-reboot", REMOVE),
      "-no-reboot -device a,id=x -device b,id=x", "-device a,id=x -device b,id=x" },

    /* what libvirt cannot do without, where only the command line tells that it is meant */
    { "libvirt's monitor, the first", "{'alter':'mon','number':1,'occurs':'first','actions':["
      EXTRA("'x'") "," MODIFY("mode=readline") "]}", MONITOR " -chardev null,id=c -mon chardev=c",
      "!alter 1 (-mon), modify: '-mon charmonitor,id=monitor,mode=control' cannot be "
      "altered: it is libvirt's own monitor, without which no guest starts" },
    { "libvirt's monitor, the last", "{'alter':'mon','number':1,'occurs':'last','actions':["
      REMOVE "]}", "-chardev null,id=c -mon chardev=c " MONITOR,
      "!alter 1 (-mon), remove: '-mon charmonitor,id=monitor,mode=control' cannot be "
      "altered: it is libvirt's own monitor, without which no guest starts" },
    { "the socket of libvirt's monitor", ALTER("chardev", KEY("fd", "^9$") "," RENAME("serial")),
      MONITOR, "!alter 1 (-chardev), rename: '-chardev socket,id=charmonitor,fd=9,server=on,"
      "wait=off' cannot be altered: it is the socket of libvirt's own monitor, without which no "
      "guest starts" },
};

static void
check_case(gconstpointer data)
{
    const Case *test = data;
    g_autoptr(VpPlan) plan = test_plan(test->steps);
    g_autoptr(VpCmdline) cmdline = test_cmdline(test->words);
    g_auto(VpApplied) applied = { 0 };
    g_autoptr(GError) error = NULL;
    g_autofree char *words = NULL;
    const char *expected = test->expected;
    bool done = vp_plan_apply(plan, cmdline, "/conf", &applied, &error);

    if (expected[0] == '!') {
        g_assert_false(done);
        g_assert_nonnull(error);
        if (g_str_has_suffix(expected, ": "))
            g_assert_true(g_str_has_prefix(error->message, expected + 1));
        else
            g_assert_cmpstr(error->message, ==, expected + 1);
        return;
    }
    g_assert_no_error(error);
    g_assert_true(done);
    words = test_words(cmdline);
    g_assert_cmpstr(words, ==, expected);
    g_assert_cmpstr(cmdline->program, ==, "/real/qemu");
    g_assert_cmpuint(applied.warnings->len, ==, 0);
}

/* What need not be there is no error, and is told. */
static void
test_not_required(void)
{
    g_autoptr(VpPlan) plan = test_plan(
        "{'alter':'vnc','number':1,'required':false,'actions':[" REMOVE "]},"
        "{'alter':'device','number':2,'required':false,'actions':[" REMOVE_KEY("addr") ","
        MODIFY("rombar=0") "]}");
    g_autoptr(VpCmdline) cmdline = test_cmdline("-device a");
    g_auto(VpApplied) applied = { 0 };
    g_autofree char *words = NULL;

    g_assert_true(vp_plan_apply(plan, cmdline, "/conf", &applied, NULL));
    words = test_words(cmdline);
    g_assert_cmpstr(words, ==, "-device a,rombar=0");
    g_assert_cmpuint(applied.warnings->len, ==, 2);
    g_assert_cmpstr(applied.warnings->pdata[0], ==, "alter 1 (-vnc): there is no -vnc");
    g_assert_cmpstr(applied.warnings->pdata[1], ==,
                    "alter 2 (-device), remove: the option it applies to has no 'addr'");
    g_assert_null(applied.config);
}

static void
test_config(void)
{
    g_autoptr(VpPlan) plan = test_plan(
        "{'group':'chardev','id':'c','values':[['backend','null']]},"
        "{'group':'name','values':[['guest','x y']]}");
    g_autoptr(VpCmdline) cmdline = test_cmdline("-S");
    g_auto(VpApplied) applied = { 0 };

    g_assert_true(vp_plan_apply(plan, cmdline, "/conf", &applied, NULL));
    g_assert_cmpstr(applied.config, ==,
                    "[chardev \"c\"]\n  backend = \"null\"\n[name]\n  guest = \"x y\"\n");
}

/* Of a definition that is older than the refusal: the guest starts as it always has. */
static void
test_group_without_effect(void)
{
    g_autoptr(VpPlan) plan = test_plan(
        "{'group':'sandbox','line':7,'values':[['spawn','allow']]},"
        "{'group':'name','values':[['guest','x']]}");
    g_autoptr(VpCmdline) cmdline = test_cmdline("-S");
    g_auto(VpApplied) applied = { 0 };

    g_assert_true(vp_plan_apply(plan, cmdline, "/conf", &applied, NULL));
    g_assert_cmpstr(applied.config, ==, "[name]\n  guest = \"x\"\n");
    g_assert_cmpuint(applied.warnings->len, ==, 1);
    g_assert_true(g_str_has_prefix(applied.warnings->pdata[0],
                                   "<qemu:sandbox> in line 7: libvirt writes -sandbox itself"));
}

/* A plan that does nothing leaves every byte. */
static void
test_nothing(void)
{
    g_autoptr(VpPlan) plan = vp_plan_new();
    const char *words = "--m 32 -device { 'driver' : 'x' } -newer 1 -- -machine pc,,";
    g_autoptr(VpCmdline) cmdline = test_cmdline(words);
    g_auto(VpApplied) applied = { 0 };
    g_autofree char *after = NULL;

    g_assert_true(vp_plan_apply(plan, cmdline, "/conf", &applied, NULL));
    after = test_words(cmdline);
    g_assert_cmpstr(after, ==, words);
    g_assert_cmpstr(cmdline->program, ==, "/shim");
}

/* --- limits ------------------------------------------------------------------- */

/* Whether a guest may get a name of so many bytes, its end included. */
static bool
grows(gsize size, GError **error)
{
    g_autofree char *text = g_strnfill(size - 1, 'a');
    g_autoptr(VpPlan) plan = test_plan("");
    g_autoptr(VpCmdline) cmdline = test_cmdline("-name process=x");
    g_auto(VpApplied) applied = { 0 };
    VpAlter *alter = vp_plan_add_alter(plan, 0);

    alter->option = g_strdup("name");
    vp_alter_add(alter, VP_ACTION_MODIFY)->text = g_strdup_printf("guest=%s", text);
    return vp_plan_apply(plan, cmdline, "/conf", &applied, error);
}

static void
test_word_limit(void)
{
    g_autoptr(GError) error = NULL;
    gsize rest = strlen("process=x,guest=");

    g_assert_true(grows(VP_ARGV_WORD_MAX - rest + 1, NULL));
    g_assert_false(grows(VP_ARGV_WORD_MAX - rest + 2, &error));
    g_assert_error(error, VP_ERROR, VP_ERROR_LIMIT);
}

/* So many options, each of which gets words of @extra. */
static bool
multiplies(guint n, const char *extra, GError **error)
{
    g_autoptr(VpPlan) plan = test_plan(extra);
    g_autoptr(VpCmdline) cmdline = test_cmdline("-S");
    g_auto(VpApplied) applied = { 0 };

    for (guint i = 1; i < n; i++)
        g_ptr_array_add(cmdline->options, vp_option_new("S", NULL));
    return vp_plan_apply(plan, cmdline, "/conf", &applied, error);
}

static void
test_words_limit(void)
{
    const char *extra = ALTER("S", EXTRA("'a','b','c'"));
    g_autoptr(GError) error = NULL;

    g_assert_true(multiplies(VP_ARGV_WORDS_MAX / 4, extra, NULL));
    g_assert_false(multiplies(VP_ARGV_WORDS_MAX / 4 + 1, extra, &error));
    g_assert_error(error, VP_ERROR, VP_ERROR_LIMIT);
}

/* Values of 2 MiB together, each of them short enough. */
static void
test_bytes_limit(void)
{
    g_autoptr(VpPlan) plan = test_plan("");
    VpAlter *alter = vp_plan_add_alter(plan, 0);
    g_autofree char *text = g_strnfill(VP_ARGV_BYTES_MAX / 32 - strlen("guest="), 'a');
    g_autoptr(GError) error = NULL;

    alter->option = g_strdup("name");
    vp_alter_add(alter, VP_ACTION_MODIFY)->text = g_strconcat("guest=", text, NULL);
    for (guint n = 32; n <= 33; n++) {
        g_autoptr(VpCmdline) cmdline = test_cmdline("-name guest=x");
        g_auto(VpApplied) applied = { 0 };

        for (guint i = 1; i < n; i++)
            g_ptr_array_add(cmdline->options, vp_option_new("name", "guest=x"));
        g_assert_true(vp_plan_apply(plan, cmdline, "/c", &applied, &error) == (n == 32));
    }
    g_assert_error(error, VP_ERROR, VP_ERROR_LIMIT);
}

static bool
applies(const char *steps, const char *words, GError **error)
{
    g_autoptr(VpPlan) plan = test_plan(steps);
    g_autoptr(VpCmdline) cmdline = test_cmdline(words);
    g_auto(VpApplied) applied = { 0 };

    return vp_plan_apply(plan, cmdline, "/conf", &applied, error);
}

/* The budget is one for all alters: two of these are within it, but not three. */
static void
test_budget(void)
{
    g_autofree char *subject = g_strnfill(4000, 'a'), *twice = NULL, *thrice = NULL;
    g_autofree char *words = g_strconcat("-append ", subject, NULL);
    g_autoptr(GError) error = NULL;

#define COSTLY(NUMBER) "{'alter':'append','number':" NUMBER ",'required':false,'actions':[" \
        MATCH("^[^b]*[^c]*[de]") "," REMOVE "]}"
    twice = g_strconcat(COSTLY("1"), ",", COSTLY("2"), NULL);
    thrice = g_strconcat(twice, ",", COSTLY("3"), NULL);
    g_assert_true(applies(twice, words, NULL));
    g_assert_false(applies(thrice, words, &error));
    g_assert_error(error, VP_ERROR, VP_ERROR_LIMIT);
    g_assert_true(g_str_has_prefix(error->message, "alter 3 (-append), match: the regular "));
    g_assert_true(applies(twice, words, NULL));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strconcat("/alter/", cases[i].name, NULL);

        g_test_add_data_func(path, &cases[i], check_case);
    }
    g_test_add_func("/alter/not required", test_not_required);
    g_test_add_func("/alter/configuration file", test_config);
    g_test_add_func("/alter/plan of nothing", test_nothing);
    g_test_add_func("/alter/group without effect", test_group_without_effect);
    g_test_add_func("/alter/length of a word", test_word_limit);
    g_test_add_func("/alter/number of words", test_words_limit);
    g_test_add_func("/alter/length of all words", test_bytes_limit);
    g_test_add_func("/alter/budget", test_budget);
    return g_test_run();
}

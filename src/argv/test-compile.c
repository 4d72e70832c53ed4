/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Wishes to words and plans: devices, cpudef, what is left to the shim, and what is refused. */

#include "argv/compile.h"

#include "argv/test-plans.h"

/* --- a QEMU of which something is known ---------------------------------------- */

static GPtrArray *known_types;
static VpKeyTypes known;
static VpTypeSource source;

static VpValueType
lookup(const VpTypeSource *self, const char *option, const char *driver, const char *key)
{
    return known.source.lookup(&known.source, option, driver, key);
}

static void
collect(const VpTypeSource *self, const char *option, const char *key, GPtrArray *types)
{
    known.source.collect(&known.source, option, key, types);
}

static bool
has_device(const VpTypeSource *self, const char *driver)
{
    return !g_str_has_prefix(driver, "no-such");
}

static void
know(const char *driver, const char *key, VpValueType type)
{
    g_ptr_array_add(known_types, vp_key_type_new("device", driver, key, type));
}

static void
set_up_types(void)
{
    known_types = g_ptr_array_new_with_free_func((GDestroyNotify)vp_key_type_free);
    know(NULL, "mac", VP_TYPE_STRING);
    know(NULL, "rombar", VP_TYPE_INT);
    know(NULL, "multifunction", VP_TYPE_BOOL);
    know(NULL, "addr", VP_TYPE_STRING);
    know("loader", "addr", VP_TYPE_INT);
    know("nvdimm", "label-size", VP_TYPE_INT);
    know("virtio-net-pci", "disable-legacy", VP_TYPE_STRING);
    known = vp_key_types(known_types);
    source = (VpTypeSource){ .lookup = lookup, .collect = collect, .has_device = has_device };
}

/* --- cases -------------------------------------------------------------------- */

typedef struct Case {
    const char *name;
    const char *steps;
    const char *words; /* or with ! in front the error */
    const char *shim;  /* the steps of its plan; NULL: no shim */
} Case;

#define NO_TYPES "no types: "

static const Case cases[] = {
    { "nothing", "", "", NULL },
    { "words", "{'words':['-foo','a b']},{'words':['c']}", "-foo|a b|c", NULL },
    { "device", "{'words':['-device','lsi']}", "-device|{'driver':'lsi'}", NULL },
    { "option and value in two elements", "{'words':['-device']},{'words':['lsi,id=x']}",
      "-device|{'driver':'lsi','id':'x'}", NULL },
    { "types", "{'words':['-device','virtio-net-pci,disable-legacy=on,rombar=0x1,"
      "multifunction=on,mac=1']}",
      "-device|{'driver':'virtio-net-pci','disable-legacy':'on','rombar':1,'multifunction':true,"
      "'mac':'1'}", NULL },
    { "commas, switches, driver by its key",
      "{'words':['-device','id=x,driver=a,,b,multifunction,nomultifunction,addr=5']}",
      "-device|{'driver':'a,b','id':'x','multifunction':false,'addr':'5'}", NULL },
    { "an addr that is a number", "{'words':['-device','loader,file=k,addr=0x1000,cpu-num=0']}",
      "-device|loader,file=k,addr=0x1000,cpu-num=0", NULL },
    { "an addr that is a number, and known", "{'words':['-device','loader,addr=0x1000']}",
      "-device|{'driver':'loader','addr':4096}", NULL },
    { "a size for an int", "{'words':['-device','nvdimm,id=n,label-size=128K']}",
      "-device|{'driver':'nvdimm','id':'n','label-size':131072}", NULL },
    { "a comma at the end", "{'words':['-device','lsi,id=e0,']}",
      "-device|{'driver':'lsi','id':'e0'}", NULL },
    { "the first id, the last of others", "{'words':['-device','lsi,id=a,addr=1,id=b,addr=2']}",
      "-device|{'driver':'lsi','id':'a','addr':'2'}", NULL },
    { "octal or decimal is QEMU's to say", "{'words':['-device','lsi,rombar=010,id=a,']}",
      "-device|lsi,rombar=010,id=a,", NULL },
    { "a property that is not known", "{'words':['-device','lsi,id=a,odd=1,rombar=0x1']}",
      "-device|lsi,id=a,odd=1,rombar=0x1", NULL },
    { "a device that is not known", "{'words':['-device','no-such,id=a']}",
      "-device|{'driver':'no-such','id':'a'}", NULL },
    { "such a device with properties", "{'words':['-device','no-such,id=a,x=y']}",
      "-device|no-such,id=a,x=y", NULL },
    { "a group that is not known", "{'group':'device','id':'a','values':[['driver','no-such'],"
      "['x','y,z']]}", "-device|no-such,id=a,x=y,,z", NULL },
    { "JSON stays", "{'words':['-device','{ `driver`:`no-such`}']}",
      "-device|{ 'driver':'no-such'}", NULL },
    { "other options stay", "{'words':['-drive','a=b','-netdev','user,id=n','-device']},"
      "{'words':['x']}", "-drive|a=b|-netdev|user,id=n|-device|{'driver':'x'}", NULL },
    { "IOMMU in words and as a group", "{'words':['-device','intel-iommu,id=i,,i']},"
      "{'group':'device','id':'j','values':[['driver','intel-iommu'],['mac','a,b']]}",
      "-device|intel-iommu,id=i,,i|-device|intel-iommu,id=j,mac=a,,b", NULL },
    { "-readconfig", "{'words':['-readconfig','x'],'line':4}",
      "!<qemu:arg> in line 4: -readconfig x: devices of a file would take the places of the "
      "domain's own, and what is in it is not known here; write its groups as elements instead: "
      "for [device \"ID\"] <qemu:device id='ID'><driver>...</driver></qemu:device>, and so on",
      NULL },
    { "device group", "{'group':'device','id':'rng1','values':[['driver','virtio-rng-pci'],"
      "['rombar','2']]}", "-device|{'driver':'virtio-rng-pci','id':'rng1','rombar':2}", NULL },
    { "groups and words keep their order", "{'words':['-a']},{'group':'device','values':"
      "[['driver','x']]},{'words':['-b']}", "-a|-device|{'driver':'x'}|-b", NULL },
    { "no types needed", "{'words':['-device','lsi,id=a,bus=pci.0,addr=5']}",
      "-device|{'driver':'lsi','id':'a','bus':'pci.0','addr':'5'}", NULL },

    { "group for the file", "{'group':'chardev','id':'c','values':[['backend','null']]}", "",
      "{'group':'chardev','id':'c','values':[['backend','null']]}" },
    { "alter", "{'alter':'device','number':1,'line':7,'occurs':'last','required':false,"
      "'actions':[{'do':'match','regex':'x','key':'id'},{'do':'modify','text':'rombar=0'},"
      "{'do':'remove-key','key':'k'},{'do':'rename','text':'netdev'},"
      "{'do':'replace','regex':'a','text':'b'},{'do':'remove'},"
      "{'do':'extra','words':['-device','lsi,rombar=1','y'],'before':true}]}", "",
      "{'alter':'device','number':1,'line':7,'occurs':'last','required':false,"
      "'actions':[{'do':'match','regex':'x','key':'id'},{'do':'modify','text':'rombar=0'},"
      "{'do':'remove-key','key':'k'},{'do':'rename','text':'netdev'},"
      "{'do':'replace','regex':'a','text':'b'},{'do':'remove'},"
      "{'do':'extra','words':['-device','{`driver`:`lsi`,`rombar`:1}','y'],'before':true}]}" },
    { "devices wait for the shim where there is one",
      "{'words':['-a','-device','x,addr=1','-device','y']},"
      "{'alter':'usb','number':1,'actions':[{'do':'remove'}]},"
      "{'words':['-device','z,addr=2','-b']}",
      "-a|-device|{'driver':'x','addr':'1'}|-b",
      "{'alter':'usb','number':1,'actions':[{'do':'remove'}]},"
      "{'words':['-device','{`driver`:`y`}','-device','{`driver`:`z`,`addr`:`2`}']}" },

    { "no value", "{'words':['-S']},{'words':['-device'],'line':4}",
      "!<qemu:arg> in line 4: the option -device is the last word of the command line, but it "
      "needs a value behind it", NULL },
    { "wrong for every QEMU", "{'words':['-S','x']},{'words':['-device'],'line':4},"
      "{'words':['lsi,multifunction=1'],'line':5}",
      "!<qemu:arg> in line 4: 'multifunction' cannot be set to '1': expected is on or off (also "
      "yes, no, true, false, y, n)", NULL },
    { "wrong beside what is not known", "{'words':['-device','lsi,x=y,multifunction=1'],'line':4}",
      "!<qemu:arg> in line 4: 'multifunction' cannot be set to '1': expected is on or off (also "
      "yes, no, true, false, y, n)", NULL },
    { "help", "{'words':['-device','help'],'line':4}",
      "!<qemu:arg> in line 4: -device 'help' asks for help: QEMU would print it and end", NULL },
    { "help on a device", "{'words':['-device','lsi,?'],'line':4}",
      "!<qemu:arg> in line 4: -device 'lsi,?' asks for help: QEMU would print it and end", NULL },
    { "no id", "{'words':['-device','lsi,id=4x'],'line':4}",
      "!<qemu:arg> in line 4: -device 'lsi,id=4x': the id '4x' is none for QEMU, which expects a "
      "letter and behind it letters, digits, '-', '.' and '_'", NULL },

    { "set", "{'words':['-device','lsi,id=a,rombar=2','-set','device.a.rombar=0x3','-set',"
      "'device.a.addr=5']}", "-device|{'driver':'lsi','id':'a','rombar':3,'addr':'5'}", NULL },
    { "set in a later group", "{'group':'device','id':'a','values':[['driver','lsi']]},"
      "{'words':['-S']},{'group':'device','values':[['driver','x']]},"
      "{'words':['-set','device.a.rombar=3']}",
      "-device|{'driver':'lsi','id':'a','rombar':3}|-S|-device|{'driver':'x'}", NULL },
    { "set in JSON", "{'words':['-device','{`driver`:`lsi`, `id`:`a`}','-set',"
      "'device.a.rombar=3']}", "-device|{'driver':'lsi', 'id':'a','rombar':3}", NULL },
    { "set what is not known", "{'words':['-device','lsi,id=a,rombar=0x1','-set',"
      "'device.a.x=a,b']}",
      "-device|lsi,id=a,rombar=0x1,x=a,,b", NULL },
    { "set id and driver", "{'words':['-device','lsi,id=a','-set','device.a.id=b','-set',"
      "'device.b.driver=x']}", "-device|{'driver':'x','id':'b'}", NULL },
    { "set a back end", "{'words':['-netdev','user,id=n','-set','netdev.n.restrict=on']}",
      "-netdev|user,id=n|-set|netdev.n.restrict=on", NULL },
    { "set others", "{'words':['-set','chardev.a.b=c','-set','nothing','-set','object.a.b=c']}",
      "-set|chardev.a.b=c|-set|nothing|-set|object.a.b=c", NULL },
    { "set libvirt's", "{'words':['-S']},{'words':['-set'],'line':4},"
      "{'words':['device.sound0.rombar=1,2'],'line':5}", "-S",
      "{'alter':'device','line':4,'actions':[{'do':'match','regex':'^sound0$','key':'id'},"
      "{'do':'modify','text':'rombar=1,,2'}]}" },
    { "set in an extra", "{'alter':'S','number':1,'actions':[{'do':'extra','words':['-device',"
      "'lsi,id=a','-set','device.a.rombar=1']},{'do':'extra','words':['-set',"
      "'netdev.n.b=c']}]}", "",
      "{'alter':'S','number':1,'actions':[{'do':'extra','words':['-device',"
      "'{`driver`:`lsi`,`id`:`a`,`rombar`:1}']}]},"
      "{'alter':'netdev','actions':[{'do':'match','regex':'^n$','key':'id'},"
      "{'do':'modify','text':'b=c'}]}" },
    { "set what cannot be", "{'words':['-device','lsi,id=a','-S']},{'words':['-set'],'line':4},"
      "{'words':['device.a.multifunction=1']}",
      "!<qemu:arg> in line 4: -set 'device.a.multifunction=1': 'multifunction' cannot be set to "
      "'1': expected is on or off (also yes, no, true, false, y, n)", NULL },
    { "no driver", "{'words':['-device','id=x'],'line':4}",
      "!<qemu:arg> in line 4: -device 'id=x' names no device", NULL },
    { "group without driver", "{'group':'device','line':3,'values':[['a','b']]}",
      "!<qemu:device> in line 3: it has no <driver>", NULL },
    { "group that QEMU has not", "{'group':'zoo','line':3}",
      "!<qemu:zoo> in line 3: QEMU's configuration file has no group 'zoo'", NULL },
    { NO_TYPES "device", "{'words':['-device','lsi,rombar=1'],'line':4}", "-device|lsi,rombar=1",
      NULL },
    { NO_TYPES "simple device", "{'words':['-device','lsi,bus=b,id=c']}",
      "-device|{'driver':'lsi','bus':'b','id':'c'}", NULL },
    { NO_TYPES "address", "{'words':['-device','lsi,addr=3,bus=b,id=c']}",
      "-device|lsi,addr=3,bus=b,id=c", NULL },
    { NO_TYPES "setting", "{'words':['-device','lsi,id=a','-set','device.a.rombar=1','-set',"
      "'device.b.rombar=1']}", "-device|lsi,id=a,rombar=1|-set|device.b.rombar=1", NULL },
    { NO_TYPES "alter", "{'alter':'device','number':2,'actions':[{'do':'modify','text':'a=b'}]}",
      "!alter 2 (-device), modify: the type of 'a' is not known without the domain's QEMU; say it "
      "with type=''", NULL },
    { NO_TYPES "alter with type", "{'alter':'device','number':2,'actions':"
      "[{'do':'modify','text':'a=b','type':'string'}]}", "",
      "{'alter':'device','number':2,'actions':[{'do':'modify','text':'a=b','type':'string'}]}" },
    { NO_TYPES "alter of what is no JSON",
      "{'alter':'smp','number':2,'actions':[{'do':'modify','text':'cpus=2'}]}", "",
      "{'alter':'smp','number':2,'actions':[{'do':'modify','text':'cpus=2'}]}" },

#define BAD(NAME, OPTION, ACTIONS, MESSAGE) \
    { NAME, "{'alter':'" OPTION "','number':3,'actions':[" ACTIONS "]}", \
      "!alter 3 (-" OPTION ")" MESSAGE, NULL }
    BAD("no such option", "nooption", "{'do':'remove'}", ": QEMU has no option -nooption"),
    BAD("bad expression", "device", "{'do':'match','regex':'(a'}", ", match: "),
    BAD("empty key", "device", "{'do':'match','regex':'a','key':''}",
        ", match: key='' names no property"),
    BAD("modify without value", "device", "{'do':'modify','text':'a'}",
        ", modify: 'a' is not KEY=VALUE"),
    BAD("a flag without sign", "cpu", "{'do':'modify','text':'+svm,vmx'}",
        ", modify: 'vmx' is not KEY=VALUE, +KEY or -KEY"),
    BAD("a flag with sign and value", "cpu", "{'do':'modify','text':'+vmx=on'}",
        ", modify: '+vmx=on' is not KEY=VALUE, +KEY or -KEY"),
    BAD("a flag of two signs", "cpu", "{'do':'modify','text':'+-vmx'}",
        ", modify: '+-vmx' is not KEY=VALUE, +KEY or -KEY"),
    BAD("a sign alone", "cpu", "{'do':'modify','text':'-'}",
        ", modify: '-' is not KEY=VALUE, +KEY or -KEY"),
    BAD("a flag with a comma", "cpu", "{'do':'modify','text':'+a,,b'}",
        ", modify: '+a,b' is not KEY=VALUE, +KEY or -KEY"),
    BAD("a flag of what is no CPU", "machine", "{'do':'modify','text':'+usb'}",
        ", modify: '+usb' is not KEY=VALUE"),
    BAD("modify without key", "device", "{'do':'modify','text':'b=1,=2'}",
        ", modify: '=2' is not KEY=VALUE"),
    BAD("modify nothing", "device", "{'do':'modify','text':''}",
        ", modify: there is no KEY=VALUE in it"),
    BAD("modify with line end", "device", "{'do':'modify','text':'a=b\\nc'}",
        ", modify: the value of 'a' contains control characters"),
    BAD("modify plain text", "kernel", "{'do':'modify','text':'a=b'}",
        ", modify: the value of -kernel has no properties; use replace"),
    BAD("modify what has no value", "S", "{'do':'modify','text':'a=b'}",
        ", modify: -S takes no value"),
    BAD("replace what has no value", "S", "{'do':'replace','regex':'a','text':'b'}",
        ", replace: -S takes no value"),
    BAD("bad replacement", "device", "{'do':'replace','regex':'a','text':'\\\\g<'}",
        ", replace: "),
    BAD("no key to remove", "device", "{'do':'remove-key','key':''}",
        ", remove: key='' names no property"),
    BAD("remove twice", "device", "{'do':'remove'},{'do':'remove'}",
        ", remove: the option has been removed before"),
    BAD("rename to nothing", "device", "{'do':'rename','text':'nooption'}",
        ", rename: QEMU has no option -nooption"),
    BAD("rename to what has no value", "device", "{'do':'rename','text':'S'}",
        ", rename: -device takes a value, but -S takes none"),
    BAD("rename to what has a value", "S", "{'do':'rename','text':'device'}",
        ", rename: -S takes no value, but -device takes one"),
    BAD("rename, then modify", "name", "{'do':'rename','text':'kernel'},"
        "{'do':'modify','text':'a=b'}",
        ", modify: the value of -kernel has no properties; use replace"),

    /* what libvirt cannot do without: those that the alter certainly means */
    BAD("libvirt's monitor", "mon", "{'do':'extra','words':['x']},{'do':'remove'}",
        ", remove: libvirt's -mon cannot be altered: it is libvirt's own monitor, without which no "
        "guest starts"),
    BAD("libvirt's monitor by its mode", "mon", "{'do':'match','regex':'control','key':'mode'},"
        "{'do':'modify','text':'pretty=on'}", ", modify: libvirt's -mon cannot be altered: "),
    BAD("the socket of libvirt's monitor", "chardev", "{'do':'match','regex':'^socket,'},"
        "{'do':'replace','regex':'a','text':'b'}", ", replace: libvirt's -chardev cannot be "
        "altered: it is the socket of libvirt's own monitor, without which no guest starts"),
    BAD("the socket of libvirt's monitor by its id", "chardev",
        "{'do':'match','regex':'^charmon','key':'id'},{'do':'rename','text':'serial'}",
        ", rename: libvirt's -chardev cannot be altered: "),
    BAD("a property of all sockets", "chardev", "{'do':'remove-key','key':'wait'}",
        ", remove: libvirt's -chardev cannot be altered: "),
    BAD("what holds the guest", "S", "{'do':'remove'}", ", remove: libvirt's -S cannot be altered: "
        "the guest would run while libvirt still prepares it and takes it for paused"),
    BAD("what restores the guest", "incoming", "{'do':'remove'}",
        ", remove: libvirt's -incoming cannot be altered: by it libvirt restores and migrates the "
        "guest"),
    BAD("the dedicated session", "chardev", "{'do':'match','regex':'^virtpass-qmp$','key':'id'},"
        "{'do':'remove'}", ", remove: the -chardev of the dedicated session 'virtpass-qmp' cannot "
        "be altered; <qemu:monitorpassthrough session=''/> says whether there is one"),
    { "words beside libvirt's monitor", "{'alter':'mon','number':1,'actions':[{'do':'extra',"
      "'words':['x']}]}", "",
      "{'alter':'mon','number':1,'actions':[{'do':'extra','words':['x']}]}" },
    { "other sockets", "{'alter':'chardev','number':1,'actions':[{'do':'match','regex':'charnet',"
      "'key':'id'},{'do':'remove'}]}", "",
      "{'alter':'chardev','number':1,'actions':[{'do':'match','regex':'charnet','key':'id'},"
      "{'do':'remove'}]}" },
    { "one of several monitors", "{'alter':'mon','number':1,'occurs':'last','actions':["
      "{'do':'remove'}]}", "",
      "{'alter':'mon','number':1,'occurs':'last','actions':[{'do':'remove'}]}" },
    { "a socket by its descriptor", "{'alter':'chardev','number':1,'actions':[{'do':'match',"
      "'regex':'fd=20'},{'do':'remove'}]}", "",
      "{'alter':'chardev','number':1,'actions':[{'do':'match','regex':'fd=20'},"
      "{'do':'remove'}]}" },

    BAD("extra without its value", "S", "{'do':'extra','words':['-device']}", ", extra: "),
    BAD("extra with a device that cannot be", "S", "{'do':'extra','words':['-device',"
        "'lsi,rombar=x']}", ", extra: 'rombar' cannot be set to 'x': "),
};

static void
check_words(const VpCompiled *compiled, const char *expected)
{
    g_autofree char *words = g_strdelimit(g_strjoinv("|", compiled->words), "\"", '\'');

    g_assert_cmpstr(words, ==, expected);
}

static void
check_shim(const VpCompiled *compiled, const char *steps)
{
    g_autoptr(VpPlan) expected = steps ? test_plan(steps) : NULL;
    g_autofree char *json = NULL, *expected_json = NULL;

    if (!expected) {
        g_assert_null(compiled->shim);
        return;
    }
    g_assert_nonnull(compiled->shim);
    g_ptr_array_set_size(compiled->shim->types, 0);
    g_ptr_array_set_size(expected->types, 0);
    json = vp_plan_to_json(compiled->shim, NULL);
    expected_json = vp_plan_to_json(expected, NULL);
    g_assert_cmpstr(json, ==, expected_json);
}

static void
check_case(gconstpointer data)
{
    const Case *test = data;
    g_autoptr(VpPlan) wishes = test_plan(test->steps);
    g_auto(VpCompiled) compiled = { 0 };
    g_autoptr(GError) error = NULL;
    bool typeless = g_str_has_prefix(test->name, NO_TYPES);
    bool done = vp_compile(wishes, typeless ? NULL : &source, NULL, &compiled, &error);

    if (test->words[0] != '!') {
        g_assert_no_error(error);
        g_assert_true(done);
        check_words(&compiled, test->words);
        check_shim(&compiled, test->shim);
        return;
    }
    g_assert_false(done);
    g_assert_nonnull(error);
    if (g_str_has_suffix(test->words, ": "))
        g_assert_true(g_str_has_prefix(error->message, test->words + 1));
    else
        g_assert_cmpstr(error->message, ==, test->words + 1);
}

/* What the plan has to know of types: each key once, under the name the option has by then. */
static void
test_types(void)
{
    g_autoptr(VpPlan) wishes = test_plan(
        "{'alter':'device','number':1,'actions':[{'do':'modify','text':'rombar=1,mac=2'},"
        "{'do':'modify','text':'rombar=2,disable-legacy=on,nothing=1'}]}");
    g_auto(VpCompiled) compiled = { 0 };
    g_autoptr(GString) found = g_string_new(NULL);

    g_assert_true(vp_compile(wishes, &source, NULL, &compiled, NULL));
    for (guint i = 0; i < compiled.shim->types->len; i++) {
        const VpKeyType *type = compiled.shim->types->pdata[i];

        g_string_append_printf(found, "%s %s %s %s|", type->option,
                               type->driver ? type->driver : "*", type->key,
                               vp_value_type_names[type->type]);
    }
    g_assert_cmpstr(found->str, ==, "device * rombar int|device * mac string|"
                    "device virtio-net-pci disable-legacy string|");
    g_assert_cmpstr(compiled.shim->emulator, ==, "/real/qemu");
}

/* What is not known is said, and by whom it was written. */
static void
test_warnings(void)
{
    static const struct {
        const char *steps;
        const char *warnings;
    } rows[] = {
        { "{'words':['-device','lsi,rombar=010,id=a'],'line':3}", "" },
        { "{'words':['-device'],'line':3},{'words':['no-such,a=b,c=d'],'line':4}",
          "<qemu:arg> in line 3: this QEMU has no device 'no-such'" },
        { "{'words':['-device','lsi,a=b,c=d'],'line':3},{'group':'device','line':5,'values':"
          "[['driver','no-such']]}",
          "<qemu:arg> in line 3: nothing is known of the property 'a' of the device 'lsi'|"
          "<qemu:device> in line 5: this QEMU has no device 'no-such'" },
        { "{'alter':'S','number':1,'line':6,'actions':[{'do':'extra','words':['-device','lsi,q=1'"
          "]}]}",
          "<qemu:alter> in line 6: nothing is known of the property 'q' of the device 'lsi'" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(VpPlan) wishes = test_plan(rows[i].steps);
        g_auto(VpCompiled) compiled = { 0 };
        g_autofree char *warnings = NULL;

        g_assert_true(vp_compile(wishes, &source, NULL, &compiled, NULL));
        g_ptr_array_add(compiled.warnings, NULL);
        warnings = g_strjoinv("|", (char **)compiled.warnings->pdata);
        g_assert_cmpstr(warnings, ==, rows[i].warnings);
    }
}

/* libvirt writes devices behind the words. */
static void
test_late_devices(void)
{
    g_autoptr(VpPlan) wishes = test_plan("{'words':['-device','x','-S']}");
    g_auto(VpCompiled) compiled = { 0 };

    wishes->late_devices = true;
    g_assert_true(vp_compile(wishes, &source, NULL, &compiled, NULL));
    check_words(&compiled, "-S");
    check_shim(&compiled, "{'words':['-device','{`driver`:`x`}']}");
}

/* With an address it is in nobody's way: no shim is needed for it. */
static void
test_late_devices_and_address(void)
{
    g_autoptr(VpPlan) wishes = test_plan("{'words':['-device','x,addr=3','-S']}");
    g_auto(VpCompiled) compiled = { 0 };

    wishes->late_devices = true;
    g_assert_true(vp_compile(wishes, &source, NULL, &compiled, NULL));
    check_words(&compiled, "-device|{'driver':'x','addr':'3'}|-S");
    check_shim(&compiled, NULL);
}

/* Nobody is kept from his place by an IOMMU: no shim is needed for it. */
static void
test_late_devices_and_iommu(void)
{
    g_autoptr(VpPlan) wishes = test_plan("{'words':['-device','intel-iommu']}");
    g_auto(VpCompiled) compiled = { 0 };

    wishes->late_devices = true;
    g_assert_true(vp_compile(wishes, &source, NULL, &compiled, NULL));
    check_words(&compiled, "-device|intel-iommu");
    check_shim(&compiled, NULL);
}

/* In words, groups and alters; what it says of devices gets types as other words do. */
static void
test_spelled_out(void)
{
    g_autoptr(VpPlan) wishes = test_plan(
        "{'words':['-nic','user,id=n']},{'group':'drive','id':'d','values':[['if','virtio']]},"
        "{'alter':'S','number':1,'actions':[{'do':'extra','words':['-usb']}]}");
    g_auto(VpCompiled) compiled = { 0 };
    g_autoptr(GError) error = NULL;

    wishes->machine = g_strdup("pc");
    g_assert_true(vp_compile(wishes, &source, NULL, &compiled, &error));
    check_words(&compiled, "-netdev|user,id=n|-drive|if=none,id=d");
    check_shim(&compiled, "{'alter':'S','number':1,'actions':[{'do':'extra','words':['-device',"
               "'{`driver`:`piix3-usb-uhci`,`bus`:`pci.0`,`addr`:`0x1.0x2`}']}]},"
               "{'words':['-device','e1000,netdev=n',"
               "'-device','virtio-blk-pci,drive=d']}");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    set_up_types();
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strconcat("/compile/", cases[i].name, NULL);

        g_test_add_data_func(path, &cases[i], check_case);
    }
    g_test_add_func("/compile/types of the plan", test_types);
    g_test_add_func("/compile/warnings", test_warnings);
    g_test_add_func("/compile/late devices", test_late_devices);
    g_test_add_func("/compile/late devices and an address", test_late_devices_and_address);
    g_test_add_func("/compile/late devices and an IOMMU", test_late_devices_and_iommu);
    g_test_add_func("/compile/spelled out", test_spelled_out);
    return g_test_run();
}

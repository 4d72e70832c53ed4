# SPDX-License-Identifier: LGPL-2.1-or-later
"""Snapshots and checkpoints: documents with whole domains inside."""

from harness import guest
from harness.compare import Comparison

SNAPSHOT = "<domainsnapshot><name>{}</name><description>words</description></domainsnapshot>"


class Snapshots(Comparison):
    def define(self, side, start=True):
        side.define("g", devices=guest.disk(side.qcow2("disk.qcow2")))
        if start:
            side.virsh("start", "g")

    def create(self, side, name, *options):
        xml = side.write(name + ".xml", SNAPSHOT.format(name))
        return side.virsh("snapshot-create", "g", xml, *options)

    def case_internal_of_a_running_guest(self, side):
        self.define(side)
        side.note("create", self.create(side, "s1").count("s1"))
        side.note("list", side.virsh("snapshot-list", "g", "--name"))
        for options in ([], ["--security-info"]):
            text = side.note("xml", side.virsh("snapshot-dumpxml", "g", "s1", *options))
        assert text.count("<domain type=") == 1
        side.note("revert", side.virsh("snapshot-revert", "g", "s1"))
        assert "running" in side.note("state", side.virsh("domstate", "g"))
        side.note("monitor", side.virsh("qemu-monitor-command", "g", "--hmp", "info status"))
        side.note("live", side.virsh("dumpxml", "g"))
        side.note("delete", side.virsh("snapshot-delete", "g", "s1"))
        side.note("none", side.virsh_fails("snapshot-dumpxml", "g", "s1"))

    def case_internal_of_a_stopped_guest(self, side):
        self.define(side, start=False)
        side.note("create", self.create(side, "s1").count("s1"))
        side.note("child", self.create(side, "s2").count("s2"))
        side.note("parent", side.virsh("snapshot-parent", "g", "s2"))
        side.note("xml", side.virsh("snapshot-dumpxml", "g", "s2"))
        side.note("current", side.virsh("snapshot-current", "g"))
        side.note("revert", side.virsh("snapshot-revert", "g", "s1"))
        side.note("start", side.virsh("snapshot-revert", "g", "s2", "--running"))
        assert "running" in side.note("state", side.virsh("domstate", "g"))
        side.note("xml", side.virsh("dumpxml", "g"))

    def case_disk_only(self, side):
        """A live snapshot holds two domains, the running one and the definition"""
        self.define(side)
        side.note("create", self.create(side, "s1", "--disk-only").count("s1"))
        text = side.note("xml", side.virsh("snapshot-dumpxml", "g", "s1"))
        assert "<inactiveDomain" in text and "<domain type=" in text
        side.note("live", side.virsh("dumpxml", "g"))
        side.note("stored", side.virsh("dumpxml", "g", "--inactive"))

    def case_redefined(self, side):
        self.define(side)
        self.create(side, "s1")
        self.create(side, "s2", "--disk-only")
        first = {name: side.virsh("snapshot-dumpxml", "g", name, "--security-info")
                 for name in ("s1", "s2")}
        for name in ("s2", "s1"):
            side.virsh("snapshot-delete", "g", name, "--metadata")
        assert not side.virsh("snapshot-list", "g", "--name").split()
        for name in ("s1", "s2"):
            side.virsh("snapshot-create", "g", side.write("r.xml", first[name]), "--redefine")
            self.assertEqual(side.note(name, side.virsh("snapshot-dumpxml", "g", name,
                                                        "--security-info")), first[name])
        side.virsh("snapshot-revert", "g", "s1", "--force")
        assert "running" in side.note("state", side.virsh("domstate", "g"))

    def case_edited(self, side):
        self.define(side)
        self.create(side, "s1")
        editor = dict(side.libvirtd.environment, EDITOR="sed -i s/words/other/")
        side.virsh("snapshot-edit", "g", "s1", env=editor)
        text = side.note("xml", side.virsh("snapshot-dumpxml", "g", "s1"))
        assert "<description>other</description>" in text

    def case_undefine_with_snapshots(self, side):
        self.define(side)
        self.create(side, "s1")
        side.virsh("destroy", "g")
        side.note("refused", side.virsh_fails("undefine", "g"))
        side.note("undefine", side.virsh("undefine", "g", "--snapshots-metadata"))

    def case_refused(self, side):
        self.define(side)
        for label, xml in (("broken", "<domainsnapshot"), ("other", "<domain/>"),
                           ("bad domain", "<domainsnapshot><name>x</name><domain/>"
                                          "</domainsnapshot>")):
            for options in ([], ["--redefine"]):
                result = side.virsh("snapshot-create", "g", side.write("x.xml", xml), *options,
                                    check=False)
                side.note(label, [result.returncode, result.stderr.replace(side.path("x.xml"), "")])
                if result.returncode == 0:
                    side.virsh("snapshot-delete", "g", "x")
        side.note("revert", side.virsh_fails("snapshot-revert", "g", "nonsense"))
        side.note("next", self.create(side, "s1").count("s1"))


class Checkpoints(Comparison):
    def start(self, side):
        side.start("g", devices=guest.disk(side.qcow2("disk.qcow2")))

    def create(self, side, name):
        xml = f"<domaincheckpoint><name>{name}</name></domaincheckpoint>"
        return side.virsh("checkpoint-create", "g", side.write(name + ".xml", xml))

    def case_create_and_delete(self, side):
        self.start(side)
        side.note("create", self.create(side, "c1").count("c1"))
        side.note("child", self.create(side, "c2").count("c2"))
        side.note("list", side.virsh("checkpoint-list", "g", "--name"))
        for options in ([], ["--security-info"], ["--no-domain"]):
            text = side.note("xml", side.virsh("checkpoint-dumpxml", "g", "c1", *options))
            assert ("<domain type=" in text) == (options != ["--no-domain"])
        side.note("parent", side.virsh("checkpoint-parent", "g", "c2"))
        for name in ("c2", "c1"):
            side.note("delete", side.virsh("checkpoint-delete", "g", name))
        side.note("none", side.virsh_fails("checkpoint-dumpxml", "g", "c1"))

    def case_redefined(self, side):
        self.start(side)
        self.create(side, "c1")
        first = side.virsh("checkpoint-dumpxml", "g", "c1", "--security-info")
        side.virsh("checkpoint-delete", "g", "c1", "--metadata")
        side.virsh("checkpoint-create", "g", side.write("r.xml", first), "--redefine")
        again = side.note("xml", side.virsh("checkpoint-dumpxml", "g", "c1", "--security-info"))
        self.assertEqual(again, first)

    def case_backup(self, side):
        """A backup document goes by untouched"""
        self.start(side)
        backup = (f"<domainbackup mode='push'><disks><disk name='hda' type='file'>"
                  f"<target file='{side.path('copy')}'/><driver type='qcow2'/></disk></disks>"
                  "</domainbackup>")
        side.note("begin", side.virsh("backup-begin", "g", side.write("b.xml", backup)))
        side.note("wait", side.virsh("domjobinfo", "g").count("Job type"))

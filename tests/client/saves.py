# SPDX-License-Identifier: LGPL-2.1-or-later
"""Saved guests: save and restore, managed save, and the XML inside of both."""

import libvirt

from harness import guest
from harness.compare import Comparison

# Added to a definition to see a changed document arrive.
TITLE = "  <title>{}</title>\n"


def titled(xml, title):
    return xml.replace("</uuid>", "</uuid>\n" + TITLE.format(title).rstrip(), 1)


class Save(Comparison):
    def save(self, side, **more):
        side.start("g", **more)
        side.note("save", side.virsh("save", "g", side.path("image")))
        assert "shut off" in side.note("state", side.virsh("domstate", "g"))

    def case_save_and_restore(self, side):
        self.save(side)
        side.note("restore", side.virsh("restore", side.path("image")))
        assert "running" in side.note("state", side.virsh("domstate", "--reason", "g"))
        side.note("monitor", side.virsh("qemu-monitor-command", "g", "--hmp", "info status"))
        side.note("xml", side.virsh("dumpxml", "g"))

    def case_restore_paused(self, side):
        self.save(side)
        side.virsh("restore", "--paused", side.path("image"))
        assert "paused" in side.note("state", side.virsh("domstate", "g"))

    def case_save_with_xml(self, side):
        side.start("g")
        changed = side.write("x.xml", titled(side.virsh("dumpxml", "g", "--migratable"), "saved"))
        side.virsh("save", "g", side.path("image"), "--xml", changed)
        inside = side.note("image", side.virsh("save-image-dumpxml", side.path("image")))
        assert "<title>saved</title>" in inside
        side.virsh("restore", side.path("image"))
        side.note("xml", side.virsh("dumpxml", "g"))

    def case_restore_with_xml(self, side):
        self.save(side)
        changed = titled(side.virsh("save-image-dumpxml", side.path("image")), "restored")
        side.virsh("restore", side.path("image"), "--xml", side.write("x.xml", changed))
        assert "<title>restored</title>" in side.note("xml", side.virsh("dumpxml", "g"))

    def case_image_xml(self, side):
        self.save(side)
        image = side.path("image")
        first = side.note("dumpxml", side.virsh("save-image-dumpxml", image))
        side.note("secure", side.virsh("save-image-dumpxml", "--security-info", image))
        changed = side.write("x.xml", titled(first, "defined"))
        side.note("define", side.virsh("save-image-define", image, changed).count("efined"))
        assert "<title>defined</title>" in side.note("after", side.virsh("save-image-dumpxml",
                                                                         image))
        editor = dict(side.libvirtd.environment, EDITOR="sed -i s/defined/edited/")
        side.virsh("save-image-edit", image, env=editor)
        side.virsh("restore", image)
        assert "<title>edited</title>" in side.note("xml", side.virsh("dumpxml", "g"))

    def case_refused(self, side):
        self.save(side)
        image = side.path("image")
        other = side.write("x.xml", guest.domain("other"))
        side.note("other", side.virsh_fails("restore", image, "--xml", other))
        side.note("broken", side.virsh_fails("save-image-define", image, side.write("b.xml", "<x")))
        side.note("no image", side.virsh_fails("save-image-dumpxml", other))
        side.note("none", side.virsh_fails("restore", side.path("nonexistent")).rpartition("/")[2])
        side.note("next", side.virsh("restore", image))

    def case_parameters(self, side):
        """The newer calls, with typed parameters"""
        side.start("g")
        connection = side.connect()
        domain = connection.lookupByName("g")
        changed = titled(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_MIGRATABLE), "by parameter")
        domain.saveParams({libvirt.VIR_DOMAIN_SAVE_PARAM_FILE: side.path("image"),
                           libvirt.VIR_DOMAIN_SAVE_PARAM_DXML: changed})
        side.note("image", connection.saveImageGetXMLDesc(side.path("image")))
        connection.restoreParams({libvirt.VIR_DOMAIN_SAVE_PARAM_FILE: side.path("image"),
                                  libvirt.VIR_DOMAIN_SAVE_PARAM_DXML: titled(
                                      connection.saveImageGetXMLDesc(side.path("image")),
                                      "second").replace(
                                          TITLE.format("by parameter"), "")})
        assert "<title>second</title>" in side.note("xml", domain.XMLDesc())


class ManagedSave(Comparison):
    def case_managed_save(self, side):
        side.start("g")
        side.note("managedsave", side.virsh("managedsave", "g"))
        assert "g" in side.note("listed", side.virsh("list", "--all", "--with-managed-save",
                                                     "--name"))
        side.note("xml", side.virsh("managedsave-dumpxml", "g"))
        side.note("start", side.virsh("start", "g"))
        assert "restored" in side.note("state", side.virsh("domstate", "--reason", "g"))
        side.note("monitor", side.virsh("qemu-monitor-command", "g", "--hmp", "info status"))

    def case_changed_meanwhile(self, side):
        side.start("g")
        side.virsh("managedsave", "g")
        before = side.virsh("managedsave-dumpxml", "g")
        changed = side.write("x.xml", titled(before, "changed"))
        side.note("define", side.virsh("managedsave-define", "g", changed))
        editor = dict(side.libvirtd.environment, EDITOR="sed -i s/changed/edited/")
        side.virsh("managedsave-edit", "g", env=editor)
        after = side.note("after", side.virsh("managedsave-dumpxml", "g"))
        self.assertEqual(after, titled(before, "edited"))
        side.virsh("start", "g")
        assert "<title>edited</title>" in side.note("live", side.virsh("dumpxml", "g"))

    def case_removed(self, side):
        side.start("g")
        side.virsh("managedsave", "g")
        side.note("undefine", side.virsh_fails("undefine", "g"))
        side.note("remove", side.virsh("managedsave-remove", "g"))
        side.note("none", side.virsh_fails("managedsave-dumpxml", "g"))
        side.virsh("start", "g")
        assert "booted" in side.note("state", side.virsh("domstate", "--reason", "g"))

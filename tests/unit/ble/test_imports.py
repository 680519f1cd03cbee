"""What importing the radio costs those who do not use it."""

import subprocess
import sys


def modules_after(code: str) -> set[str]:
    script = f"import sys\n{code}\nprint(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(ran.stdout.split())


def test_the_radio_needs_no_software_radio() -> None:
    assert "bumble" not in modules_after("import gatewayd.ble.bluez")


def test_the_ports_need_no_bluetooth_library() -> None:
    assert "bleak" not in modules_after("import gatewayd.core.ports, gatewayd.ble")

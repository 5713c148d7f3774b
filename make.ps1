<#
The Makefile's targets for Windows: .\make.ps1 demo, .\make.ps1 test. Needs Python 3.11+ and git.
Not verified on the machines that check the rest.
#>
param(
    [ValidateSet("help", "setup", "demo", "test-fast", "test", "torture", "lint", "types", "imports", "bench", "lock", "docs", "clean")]
    [string]$Target = "help",
    [string]$Python = "python",
    [switch]$Upgrade
)
$ErrorActionPreference = "Stop"
Set-Location $PSScriptRoot
$Bin = Join-Path $PSScriptRoot ".venv\Scripts"
$VenvPython = Join-Path $Bin "python.exe"

function Invoke-Checked([string]$Program, [string[]]$Arguments) {
    & $Program @Arguments
    if ($LASTEXITCODE -ne 0) { exit $LASTEXITCODE }
}

function Test-Stale([string]$Stamp, [string[]]$Sources) {
    if (-not (Test-Path $Stamp)) { return $true }
    $made = (Get-Item $Stamp).LastWriteTimeUtc
    return [bool]($Sources | Where-Object { (Get-Item $_).LastWriteTimeUtc -gt $made })
}

function Invoke-Setup {
    $pip = @("-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    if (Test-Stale ".venv\.locked" @("requirements-dev.txt")) {
        Invoke-Checked $Python @("scripts/check_python.py")
        Invoke-Checked $Python @("-m", "venv", ".venv")
        Invoke-Checked $VenvPython ($pip + @("--require-hashes", "-r", "requirements-dev.txt"))
        New-Item -Force -ItemType File ".venv\.locked" | Out-Null
    }
    if (Test-Stale ".venv\.installed" @(".venv\.locked", "pyproject.toml")) {
        Invoke-Checked $VenvPython ($pip + @("--no-deps", "--no-build-isolation", "--editable", "."))
        New-Item -Force -ItemType File ".venv\.installed" | Out-Null
    }
}

function Invoke-Pytest([string]$Marks) { Invoke-Checked $VenvPython @("-m", "pytest", "-m", $Marks) }

function Invoke-Lint {
    Invoke-Checked "$Bin\ruff.exe" @("check", ".")
    Invoke-Checked "$Bin\ruff.exe" @("format", "--check", ".")
}

function Invoke-Docs {
    Invoke-Checked $VenvPython @("scripts/cli_reference.py")
    Invoke-Checked $VenvPython @("scripts/module_reference.py")
    Invoke-Checked $VenvPython @("scripts/parameter_reference.py")
    Invoke-Checked "$Bin\mkdocs.exe" @("build", "--strict")
}

function Invoke-Lock([string]$Output, [string[]]$Groups) {
    $options = @("pip", "compile", "pyproject.toml", "--universal", "--python-version", "3.11", "--generate-hashes", "--no-strip-extras",
        "--no-emit-index-url", "--no-emit-find-links", "--no-annotate", "--custom-compile-command", "make lock", "--quiet")
    if ($Upgrade) { $options += "--upgrade" }
    Invoke-Checked "$Bin\uv.exe" ($options + $Groups + @("--output-file", $Output))
}

if ($Target -notin "help", "clean") { Invoke-Setup }
switch ($Target) {
    "help" { Get-Help $PSCommandPath }
    "setup" { Write-Output "Ready: $Bin" }
    "demo" { Invoke-Checked "$Bin\opticstream.exe" @("demo") }
    "test-fast" { Invoke-Pytest "not slow and not torture" }
    "test" {
        Invoke-Lint
        Invoke-Docs
        Invoke-Checked $VenvPython @("scripts/wheel_gate.py", "types", "imports")
        Invoke-Pytest "not torture"
    }
    "torture" { Invoke-Pytest "torture" }
    "lint" { Invoke-Lint }
    "types" { Invoke-Checked $VenvPython @("scripts/wheel_gate.py", "types") }
    "imports" { Invoke-Checked $VenvPython @("scripts/wheel_gate.py", "imports") }
    "bench" {
        Get-ChildItem benchmarks -Filter *.py | Where-Object Name -NotLike "_*" |
            ForEach-Object { Invoke-Checked $VenvPython @($_.FullName) }
    }
    "lock" {
        Invoke-Lock "requirements.txt" @()
        Invoke-Lock "requirements-dev.txt" @("--group", "dev")
    }
    "docs" { Invoke-Docs }
    "clean" {
        Remove-Item -Recurse -Force -ErrorAction SilentlyContinue build, site, .pytest_cache, .ruff_cache, .mypy_cache, .import_linter_cache, .hypothesis
    }
}

"""What and where: the catalogue of packages, uploads, and verified bytes."""

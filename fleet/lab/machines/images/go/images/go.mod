module fleet.internal/lab/images

go 1.26.0
